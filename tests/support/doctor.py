"""What the doctor found, as its tests ask for it."""

from apps.aws.doctor import examination

#: Every line by its id.
Lines = dict[str, examination.Examined]
