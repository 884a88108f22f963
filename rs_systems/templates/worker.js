{% load static %}// Show the offline page if the network is away. Nothing else is kept: pages have people's data.
const OFFLINE = "{% url 'offline' %}";
const FILES = [OFFLINE, "{% static 'app.css' %}", "{% static 'icons.svg' %}", "{% url 'brand-css' %}"];
const KEPT = "offline {{ brand.name|escapejs }} " + FILES.join(" ");

async function keep() {
  const cache = await caches.open(KEPT);
  // Without the session: what is kept is the same for everyone who uses this device.
  await cache.addAll(FILES.map((file) => new Request(file, { credentials: "omit", cache: "reload" })));
}

async function forgetOthers() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name !== KEPT).map((name) => caches.delete(name)));
}

async function fromNetwork(request) {
  try {
    return await fetch(request);
  } catch (error) {
    const kept = await caches.match(request.mode === "navigate" ? OFFLINE : request, {
      ignoreSearch: true,
    });
    if (kept) return kept;
    throw error;
  }
}

self.addEventListener("install", (event) => event.waitUntil(keep()));
self.addEventListener("activate", (event) => event.waitUntil(forgetOthers()));
self.addEventListener("fetch", (event) => {
  const { method, mode, url } = event.request;
  if (method !== "GET") return;
  const isKept = FILES.includes(new URL(url).pathname);
  if (mode === "navigate" || isKept) event.respondWith(fromNetwork(event.request));
});
