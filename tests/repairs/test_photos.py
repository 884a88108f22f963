"""Photos of repairs: hostile uploads, who may do what, and where the pictures can be seen."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image, JpegImagePlugin

from apps.core.message import rendering
from apps.core.message.links import absolute
from apps.core.models import Notification
from apps.repairs import photos, services
from apps.repairs.exceptions import NotAllowed
from apps.repairs.models import Moment, Profile, Repair, RepairBatch, RepairPhoto, Status
from apps.site import personal_data
from tests.support.pictures import drawn, of_a_phone, png_of, saved
from tests.support.repairs import ESTIMATE, FINAL_COST, HIGHER_COST, REASON, Cast

Make = Callable[..., Repair]
SIZE = (800, 600)


def as_(profile: Profile) -> Client:
    client = Client()
    client.force_login(profile.user)
    return client


def read(data: bytes) -> RepairPhoto:
    return photos.read(io.BytesIO(data))


def opened(data: bytes | memoryview) -> Image.Image:
    return Image.open(io.BytesIO(bytes(data)), formats=["JPEG"])


def refusal(data: bytes) -> str:
    with pytest.raises(photos.NotAPhoto) as refused:
        read(data)
    return str(refused.value)


def upload(data: bytes | None = None) -> SimpleUploadedFile:
    # The name and type that the browser says are not believed.
    return SimpleUploadedFile("x.svg", data or of_a_phone(), "image/svg+xml")


def added(repair: Repair, by: Profile, moment: Moment = Moment.DAMAGE, shade: int = 0) -> str:
    photo = read(saved(Image.new("RGB", SIZE, (shade, 40, 80)), "JPEG"))
    photos.add(photo, repair, moment, by=by)
    return photo.sha256


# --- What becomes of an upload ------------------------------------------------------------------
@pytest.mark.parametrize(
    ("form", "mode"),
    [
        *(("PNG", mode) for mode in ("RGB", "RGBA", "P", "L", "LA", "1", "I;16")),
        *(("JPEG", mode) for mode in ("RGB", "CMYK", "L")),
        ("WEBP", "RGB"),
        ("WEBP", "RGBA"),
    ],
)
def test_every_usual_picture_becomes_two_jpegs(form: str, mode: str) -> None:
    made = read(saved(drawn(mode, (1000, 500)), form))
    whole, small = opened(made.data), opened(made.small)
    assert (whole.mode, whole.size) == ("RGB", (1000, 500))
    assert (small.mode, small.size) == ("RGB", (640, 320))
    assert (made.small_width, made.small_height) == small.size


def test_a_large_photo_is_made_small_and_keeps_its_shape() -> None:
    made = read(of_a_phone((4000, 3000)))
    assert opened(made.data).size == (1600, 1200)
    assert (made.small_width, made.small_height) == (640, 480)
    assert len(made.small) < 60_000


def test_the_place_and_all_other_metadata_are_gone() -> None:
    sent = of_a_phone(SIZE)
    assert Image.open(io.BytesIO(sent)).getexif().get_ifd(0x8825)
    made = read(sent)
    for data in (made.data, made.small):
        assert not opened(data).getexif()
        assert b"Exif" not in data
        assert b"Phone Maker" not in data


def test_a_phone_that_was_held_upright_makes_an_upright_photo() -> None:
    assert opened(read(of_a_phone(SIZE, orientation=6)).data).size == (600, 800)


def test_transparency_becomes_white() -> None:
    made = read(saved(Image.new("RGBA", SIZE, (0, 0, 0, 0)), "PNG"))
    assert opened(made.data).getpixel((5, 5)) == (255, 255, 255)


def test_only_the_first_picture_of_an_animation_is_kept() -> None:
    frames = [Image.new("RGB", SIZE, color) for color in ("white", "black")]
    made = read(saved(frames[0], "WEBP", save_all=True, append_images=frames[1:]))
    assert getattr(opened(made.data), "n_frames", 1) == 1
    assert opened(made.data).getpixel((5, 5)) == (255, 255, 255)


def test_what_hides_behind_or_inside_a_photo_is_gone() -> None:
    hidden = b"<html><script>alert(1)</script></html>PK\x03\x04"
    polyglot = saved(drawn(size=SIZE), "JPEG", comment=hidden) + hidden
    made = read(polyglot)
    for data in (bytes(made.data), bytes(made.small)):
        assert b"script" not in data
        assert b"PK\x03\x04" not in data


HEIC = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + b"\0" * 100


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "can be read"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "can be read"),
        (b"GIF89a" + b"\0" * 100, "can be read"),
        (b"<html><script>alert(1)</script></html>", "can be read"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n", "can be read"),
        (HEIC, "Most compatible"),
        (b"\0" * (photos.MOST_BYTES + 1), "larger than 10 MB"),
        (saved(drawn(size=(50, 50))), "too few to see a break"),
        (saved(drawn(size=(4000, 70))), "too few to see a break"),
    ],
)
def test_what_is_no_photo_is_refused_with_what_to_do(data: bytes, words: str) -> None:
    assert words in refusal(data)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_a_truncated_file_is_refused(form: str) -> None:
    whole = saved(drawn(size=SIZE), form)
    assert "can be read" in refusal(whole[: len(whole) // 2])


@pytest.mark.parametrize("size", [(9_000, 9_000), (60_000, 60_000)])
def test_a_bomb_is_refused_by_its_header(size: tuple[int, int]) -> None:
    assert refusal(png_of(*size))


def test_a_photo_of_many_pixels_is_decoded_at_a_fraction_of_its_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoded = []
    load = JpegImagePlugin.JpegImageFile.load

    def watch(picture: Any) -> Any:
        decoded.append(picture.size)
        return load(picture)

    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "load", watch)
    read(of_a_phone((6400, 4800)))
    assert set(decoded) == {(3200, 2400)}


# --- Who may do what ----------------------------------------------------------------------------
@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("person", ["maria", "helen", "jane", "tom", "sam"])
def test_who_works_on_a_repair_adds_and_removes_its_photos(
    cast: Cast, repair: Make, status: Status, person: str
) -> None:
    made, by = repair(status), getattr(cast, person)
    RepairPhoto.objects.all().delete()
    works = person in ("jane", "sam")
    may_add = works and status != Status.DENIED
    may_remove = works and status not in (Status.DENIED, Status.COMPLETED)
    if may_add:
        digest = added(made, by)
    else:
        with pytest.raises(NotAllowed):
            added(made, by)
        digest = RepairPhoto.objects.create(
            repair=made,
            moment=Moment.DAMAGE,
            sha256="a" * 64,
            small_width=1,
            small_height=1,
            uploaded_by=cast.jane,
        ).sha256
    if may_remove:
        photos.remove(made, digest, by=by)
    else:
        with pytest.raises(NotAllowed):
            photos.remove(made, digest, by=by)
    assert made.photos.exists() is not may_remove


@pytest.mark.parametrize(
    ("person", "status"),
    [("maria", 200), ("jane", 200), ("sam", 200), ("helen", 404), ("tom", 404)],
)
def test_who_sees_the_repair_sees_its_photos(
    cast: Cast, repair: Make, person: str, status: int
) -> None:
    made = repair(Status.AWAITING_APPROVAL)
    digest = added(made, cast.jane)
    client = as_(getattr(cast, person))
    for address in (f"{digest}.jpg", f"{digest}-small.jpg"):
        answer = client.get(f"/repairs/{made.pk}/photos/{address}")
        assert answer.status_code == status
        if status == 200:
            assert answer["Content-Type"] == "image/jpeg"
            assert answer["X-Content-Type-Options"] == "nosniff"
            assert "private" in answer["Cache-Control"]
            assert opened(answer.content).size in (SIZE, (640, 480))


def test_a_photo_s_name_opens_it_for_its_own_repair_only(cast: Cast, repair: Make) -> None:
    one, other = repair(Status.AWAITING_APPROVAL), repair(Status.APPROVED)
    digest = added(one, cast.jane)
    assert as_(cast.jane).get(f"/repairs/{other.pk}/photos/{digest}.jpg").status_code == 404
    assert Client().get(f"/repairs/{one.pk}/photos/{digest}.jpg").status_code == 302


def test_the_photos_of_a_moment_are_few_and_the_same_one_counts_once(
    cast: Cast, repair: Make
) -> None:
    made = repair(Status.IN_PROGRESS)
    for shade in (0, 0, 20, 40, 60):
        added(made, cast.jane, shade=shade)
    with pytest.raises(NotAllowed, match="has 4 photos of this kind already"):
        added(made, cast.jane, shade=80)
    added(made, cast.jane, Moment.FINISHED, shade=80)
    assert made.photos.count() == 5


def test_the_present_status_decides_and_not_that_of_an_older_look(cast: Cast, repair: Make) -> None:
    made = repair(Status.IN_PROGRESS)
    digest = added(made, cast.jane)
    seen = Repair.objects.get(pk=made.pk)
    services.complete(made, FINAL_COST, by=cast.jane)
    with pytest.raises(NotAllowed, match="it is completed"):
        photos.remove(seen, digest, by=cast.jane)
    Repair.objects.filter(pk=made.pk).update(status=Status.DENIED, denial_reason=REASON)
    with pytest.raises(NotAllowed, match="it is denied"):
        added(seen, cast.jane, shade=20)
    assert made.photos.count() == 1


# --- In e-mails ---------------------------------------------------------------------------------
def test_a_mail_program_gets_the_small_rendition_by_its_signed_address(
    cast: Cast, repair: Make
) -> None:
    made = repair(Status.AWAITING_APPROVAL)
    added(made, cast.jane)
    path = photos.public_path(made.photos.get())
    answer = Client().get(path)
    assert opened(answer.content).size == (640, 480)
    assert answer["Content-Type"] == "image/jpeg"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert {"public", "immutable", "max-age=86400"} <= set(answer["Cache-Control"].split(", "))
    photos.remove(made, made.photos.get().sha256, by=cast.sam)
    assert Client().get(path).status_code == 404


def test_an_altered_address_opens_nothing(cast: Cast, repair: Make) -> None:
    made = repair(Status.AWAITING_APPROVAL)
    added(made, cast.jane)
    added(made, cast.jane, shade=20)
    first, second = (photos.public_path(photo) for photo in made.photos.all())
    key, _, signature = first.removesuffix(".jpg").rpartition(":")
    other = second.removesuffix(".jpg").rpartition(":")[0]
    for path in (
        f"{other}:{signature}.jpg",
        f"{key}:{signature[:-1]}{'A' if signature[-1] != 'A' else 'B'}.jpg",
        f"{key}.jpg",
        f"{key}:.jpg",
        "/photos/1.jpg",
        "/photos/%00.jpg",
    ):
        assert Client().get(path).status_code == 404


def test_an_address_opens_no_later_photo_with_the_same_key(cast: Cast, repair: Make) -> None:
    made = repair(Status.AWAITING_APPROVAL)
    added(made, cast.jane)
    lost = made.photos.get()
    path = photos.public_path(lost)
    RepairPhoto.objects.all().delete()
    later = read(of_a_phone())
    later.pk, later.repair, later.moment, later.uploaded_by = lost.pk, made, "damage", cast.jane
    later.save()
    assert Client().get(photos.public_path(later)).status_code == 200
    assert Client().get(path).status_code == 404


def newest(kind: str, person: Profile) -> rendering.EmailContent:
    rows = Notification.objects.filter(kind=kind, recipient=person.user)
    return rendering.email(rows.order_by("-created_at").first())  # type: ignore[arg-type]


def test_the_manager_sees_the_damage_in_the_request_and_the_work_in_the_completion(
    cast: Cast, request_repair: Make
) -> None:
    made = request_repair(estimate=ESTIMATE, photo=read(of_a_phone()))
    asked = newest("repair_pending_approval", cast.maria)
    damage = absolute(photos.public_path(made.photos.get()))
    assert f'src="{damage}" alt="Photo: Star break, driver side" width="533" height="400"' in (
        asked.html
    )
    assert f"Photo: {damage}\n" in asked.text
    services.approve(made, by=cast.maria)
    services.start(made, by=cast.jane)
    after = read(of_a_phone(orientation=6))
    services.complete(made, FINAL_COST, by=cast.jane, photo=after)
    done = newest("repair_completed", cast.maria)
    assert absolute(photos.public_path(after)) in done.html
    assert damage not in done.html


def test_an_email_without_a_photo_has_no_place_for_one(cast: Cast, request_repair: Make) -> None:
    request_repair(estimate=ESTIMATE)
    email = newest("repair_pending_approval", cast.maria)
    assert "<img" not in email.html
    assert "Photo" not in email.html + email.text


def test_a_higher_cost_shows_the_newest_photo(cast: Cast, repair: Make) -> None:
    made = repair(Status.IN_PROGRESS)
    added(made, cast.jane)
    services.complete(made, HIGHER_COST, by=cast.jane, reason=REASON)
    shown = newest("repair_cost_pending", cast.maria)
    assert absolute(photos.public_path(made.photos.get())) in shown.html
    assert f"“{REASON}”\nJane Ortiz" in shown.text


def test_the_request_of_a_batch_shows_the_photo_of_its_first_break(
    cast: Cast, request_batch: Callable[..., RepairBatch]
) -> None:
    batch = request_batch("65.00", "95.00", photo=read(of_a_phone()))
    photo = RepairPhoto.objects.get()
    assert photo.repair == batch.repairs.order_by("pk").first()
    shown = newest("repair_pending_approval", cast.maria)
    assert absolute(photos.public_path(photo)) in shown.html


def test_a_refused_action_stores_no_photo(cast: Cast, repair: Make) -> None:
    made = repair(Status.APPROVED)
    with pytest.raises(NotAllowed):
        services.complete(made, FINAL_COST, by=cast.jane, photo=read(of_a_phone()))
    assert not RepairPhoto.objects.exists()


# --- Pages, as they work without JavaScript -----------------------------------------------------
def test_a_technician_adds_a_photo_on_the_repair_s_page(cast: Cast, repair: Make) -> None:
    made, client = repair(Status.AWAITING_APPROVAL), as_(cast.jane)
    page = client.get(made.get_absolute_url()).content.decode()
    # Without `capture`, phones offer the camera and the photos that they have.
    assert 'accept="image/*" data' in page
    assert f'action="/repairs/{made.pk}/photos/"' in page
    answer = client.post(f"/repairs/{made.pk}/photos/", {"photo": upload()}, follow=True)
    assert "The photo is added." in answer.content.decode()
    photo = made.photos.get()
    assert (photo.moment, photo.uploaded_by) == (Moment.DAMAGE, cast.jane)
    shown = as_(cast.maria).get(made.get_absolute_url()).content.decode()
    assert f'src="/repairs/{made.pk}/photos/{photo.sha256}-small.jpg"' in shown
    assert 'alt="Damage: Star break, driver side"' in shown
    assert "add-photo" not in shown
    assert f"{photo.sha256}-small.jpg" in as_(cast.maria).get("/").content.decode()


def test_once_the_work_has_begun_a_photo_says_what_it_shows(cast: Cast, repair: Make) -> None:
    made, client = repair(Status.IN_PROGRESS), as_(cast.jane)
    for moment in Moment:
        data = {"photo": upload(saved(drawn(size=(200 + len(moment), 200)))), "moment": moment}
        client.post(f"/repairs/{made.pk}/photos/", data)
    assert [photo.moment for photo in made.photos.all()] == ["damage", "finished"]
    missing = client.post(f"/repairs/{made.pk}/photos/", {"photo": upload(), "moment": "other"})
    assert missing.status_code == 200
    assert made.photos.count() == 2


def test_a_wrong_file_is_refused_on_the_page_with_what_to_do(cast: Cast, repair: Make) -> None:
    made = repair(Status.AWAITING_APPROVAL)
    path = f"/repairs/{made.pk}/photos/"
    for data, words in (
        ({"photo": upload(HEIC)}, "Most compatible"),
        ({"photo": upload(b"<svg/>")}, "Use JPEG, PNG or WebP."),
        ({}, "Take or choose a photo."),
    ):
        assert words in as_(cast.jane).post(path, data).content.decode()
    assert not made.photos.exists()


def test_a_person_who_may_not_add_a_photo_is_told_so_and_gets_no_form(
    cast: Cast, repair: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = repair(Status.AWAITING_APPROVAL)
    monkeypatch.delattr(photos, "read")
    for data in ({"photo": upload()}, {}):
        answer = as_(cast.maria).post(f"/repairs/{made.pk}/photos/", data, follow=True)
        page = answer.content.decode()
        assert "Only the assigned technician or the office may add photos to" in page
        assert 'type="file"' not in page


def test_a_batch_shows_its_photos_in_the_order_of_its_breaks(
    cast: Cast, request_batch: Callable[..., RepairBatch]
) -> None:
    batch = request_batch("65.00", "95.00")
    first, second = batch.repairs.order_by("pk")
    names = [added(second, cast.jane, shade=20), added(first, cast.jane)]
    page = as_(cast.maria).get(batch.get_absolute_url()).content.decode()
    assert page.index(f"{names[1]}-small.jpg") < page.index(f"{names[0]}-small.jpg")


def test_a_photo_is_removed_on_its_page(cast: Cast, repair: Make) -> None:
    made = repair(Status.AWAITING_APPROVAL)
    digest = added(made, cast.jane)
    page = as_(cast.sam).get(f"/repairs/{made.pk}/photos/").content.decode()
    path = f"/repairs/{made.pk}/photos/{digest}/remove/"
    assert path in page
    assert as_(cast.maria).post(path, follow=True).status_code == 200
    assert made.photos.exists()
    answer = as_(cast.sam).post(path, follow=True).content.decode()
    assert "The photo is removed." in answer
    assert not made.photos.exists()
    assert as_(cast.maria).get(f"/repairs/{made.pk}/photos/").status_code == 302


def test_a_photo_goes_with_the_estimate_and_with_the_completion(cast: Cast, repair: Make) -> None:
    client, asked = as_(cast.jane), repair(Status.REQUESTED)
    client.post(f"/repairs/{asked.pk}/estimate/", {"amount": "100", "photo": upload()})
    assert asked.photos.get().moment == Moment.DAMAGE
    begun = repair(Status.IN_PROGRESS)
    client.post(f"/repairs/{begun.pk}/complete/", {"amount": "100", "photo": upload()})
    assert begun.photos.get().moment == Moment.FINISHED
    assert newest("repair_completed", cast.maria).html.count("<img") == 1


def test_an_action_with_a_wrong_photo_is_not_done(cast: Cast, repair: Make) -> None:
    made = repair(Status.IN_PROGRESS)
    data = {"amount": "100", "photo": upload(b"no photo")}
    answer = as_(cast.jane).post(f"/repairs/{made.pk}/complete/", data)
    assert "Use JPEG, PNG or WebP." in answer.content.decode()
    made.refresh_from_db()
    assert made.status == Status.IN_PROGRESS


def request_form(cast: Cast, **more: Any) -> dict[str, Any]:
    return {
        "unit": cast.unit.pk,
        "break-TOTAL_FORMS": "1",
        "break-INITIAL_FORMS": "0",
        "break-0-position": "center",
        "break-0-damage": "chip",
        "break-0-description": "",
        "break-0-estimate": "65",
        **more,
    }


def test_a_request_takes_its_photo_along(cast: Cast) -> None:
    answer = as_(cast.jane).post("/repairs/new/", request_form(cast, photo=upload()))
    assert answer.status_code == 302
    assert Repair.objects.get().photos.get().moment == Moment.DAMAGE
    assert "<img" in newest("repair_pending_approval", cast.maria).html


def test_a_photo_that_an_error_lost_is_asked_for_again(cast: Cast) -> None:
    form = request_form(cast, photo=upload()) | {"break-0-damage": ""}
    shown = as_(cast.jane).post("/repairs/new/", form).content.decode()
    assert "data-not-kept>Choose the photo again: it was not kept." in shown
    assert "data-not-kept hidden>" in as_(cast.jane).get("/repairs/new/").content.decode()
    assert not Repair.objects.exists()


def test_a_manager_s_request_offers_no_photo(cast: Cast) -> None:
    assert 'type="file"' not in as_(cast.maria).get("/repairs/new/").content.decode()


def test_the_page_about_a_photo_that_is_too_large_says_what_to_do(client: Client) -> None:
    shown = client.get("/photo-too-large/").content.decode()
    assert "The photo is larger than 10 MB. Take it again with a lower resolution." in shown


# --- Deletion -----------------------------------------------------------------------------------
def test_a_photo_goes_with_its_repair(cast: Cast, repair: Make) -> None:
    made = repair(Status.AWAITING_APPROVAL)
    added(made, cast.jane)
    made.events.all().delete()
    made.delete()
    assert not RepairPhoto.objects.exists()


def test_an_export_lists_a_person_s_photos_and_an_erasure_leaves_the_repair_s(
    cast: Cast, repair: Make
) -> None:
    made = repair(Status.AWAITING_APPROVAL)
    added(made, cast.jane)
    [listed] = personal_data.collect(cast.jane.user)["work"]["photos"]
    assert (listed["repair"], listed["moment"]) == (made.number, Moment.DAMAGE)
    personal_data.erase(cast.jane.user)
    assert made.photos.get().uploaded_by.name.startswith("erased-")
