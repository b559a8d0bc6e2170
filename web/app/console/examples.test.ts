import { expect, test } from "vitest";
import { awaited, INVENTORY, LOOK_AROUND } from "./examples";

test("every call of fs is awaited, and nothing else changes", () => {
  for (const code of [INVENTORY, LOOK_AROUND]) {
    const text = awaited(code);
    expect(text).not.toMatch(/(^|[^a])fs\./m);
    expect(text.match(/await afs\./g)?.length).toBe(code.match(/\bfs\./g)?.length);
    expect(text).not.toContain(", fs");
  }
});
