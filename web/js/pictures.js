// Turns the base64 pictures of a status into blob: URLs, which the strict CSP allows and the browser can free.
// Keeps at most a screenful; must never let data choose a type other than an image's.
// SPDX-License-Identifier: Apache-2.0

const KEPT = 24;
const TYPES = [
  ["iVBOR", "image/png"],
  ["/9j/", "image/jpeg"],
  ["UklGR", "image/webp"],
  ["R0lGO", "image/gif"],
];

function blobOf(text) {
  const base64 = text.startsWith("data:") ? text.slice(text.indexOf(",") + 1) : text;
  const type = TYPES.find(([start]) => base64.startsWith(start))?.[1];
  if (!type) return null;
  try {
    return new Blob([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], { type });
  } catch {
    return null;
  }
}

/** The text of a picture, whether the extension sent it bare or in an object. */
function textOf(image) {
  if (typeof image === "string") return image;
  return typeof image?.image === "string" ? image.image : typeof image?.data === "string" ? image.data : "";
}

/** `pictures` with those of `status` in front; the oldest beyond the limit are freed. */
export function withPictures(pictures, status) {
  const known = new Set(pictures.map((picture) => picture.key));
  const added = [];
  status.images.forEach((image, index) => {
    const key = `${status.id}/${index}`;
    const blob = known.has(key) ? null : blobOf(textOf(image));
    if (blob) added.push({ key, url: URL.createObjectURL(blob), type: blob.type, prompt: status.params?.prompt ?? "", seed: status.params?.seed });
  });
  const all = [...added, ...pictures];
  for (const picture of all.slice(KEPT)) URL.revokeObjectURL(picture.url);
  return all.slice(0, KEPT);
}

export function freePictures(pictures) {
  for (const picture of pictures) URL.revokeObjectURL(picture.url);
}
