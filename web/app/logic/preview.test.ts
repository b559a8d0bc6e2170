import { expect, test } from "vitest";
import { formatHex, mediaType, readBase64, readText, shapeOf } from "./preview";

test("names say what a browser shows", () => {
  expect([shapeOf("a.PNG"), shapeOf("b.mp3"), shapeOf("c.tar.webm"), shapeOf("d"), shapeOf("e.html")]).toEqual([
    "image",
    "audio",
    "video",
    "text",
    "text",
  ]);
  expect([mediaType("x.svg"), mediaType("png"), mediaType("page.html"), mediaType("")]).toEqual(["image/svg+xml", "image/png", "", ""]);
});

test("text is text, also where it is cut within a character", () => {
  const bytes = new TextEncoder().encode("grün\n\ttab \x1b[1m");
  expect(readText(bytes, false)).toBe("grün\n\ttab \x1b[1m");
  expect(readText(bytes.subarray(0, 3), true)).toBe("gr");
  expect(readText(bytes.subarray(0, 3), false)).toBeNull();
  expect(readText(new Uint8Array([65, 0, 66]), false)).toBeNull();
  expect(readText(new Uint8Array([0xff, 0xfe]), true)).toBeNull();
});

test("bytes in hexadecimal", () => {
  const bytes = readBase64(btoa("0123456789abcdef\n"));
  expect(formatHex(bytes)).toBe(
    "00000000  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  0123456789abcdef\n" + `00000010  0a${" ".repeat(45)}  ·`,
  );
  expect(formatHex(bytes.subarray(0, 9), 0, 8)).toBe("00000000  30 31 32 33 34 35 36 37  01234567\n" + `00000008  38${" ".repeat(21)}  8`);
});
