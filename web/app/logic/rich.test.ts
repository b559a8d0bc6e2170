import { expect, test } from "vitest";
import { isActive, pictureOf, plotlyPage, treeOf, viewsOf } from "./rich";

const shown = (...mimes: string[]) => ({ data: Object.fromEntries(mimes.map((mime) => [mime, "x"])), metadata: {} });

test("the richest comes first, text last, each kind once", () => {
  const views = (...mimes: string[]) => viewsOf(shown(...mimes)).map(({ view }) => view);
  expect(views("text/plain", "text/html", "image/png", "image/svg+xml")).toEqual(["html", "image", "text"]);
  expect(views("text/plain", "text/html", "application/vnd.emerge.table+json")).toEqual(["table", "html", "text"]);
  expect(views("text/plain", "application/unheard-of")).toEqual(["text"]);
  expect(views()).toEqual(["text"]);
  expect(viewsOf(shown("image/png", "image/svg+xml"))[0]?.mime).toBe("image/svg+xml");
});

test("a picture is data, whatever is in it", () => {
  expect(pictureOf({ data: { "image/svg+xml": '<svg onload="x">#</svg>' }, metadata: {} }, "image/svg+xml")).toBe("data:image/svg+xml;charset=utf-8,%3Csvg%20onload%3D%22x%22%3E%23%3C%2Fsvg%3E");
  expect(pictureOf({ data: { "image/png": "aa\nbb" }, metadata: {} }, "image/png")).toBe("data:image/png;base64,aabb");
});

test("markup is told from what is active", () => {
  expect([isActive("<b>on it</b>"), isActive("<script>1</script>"), isActive("<a onclick='x'>"), isActive("<STYLE>")]).toEqual([false, true, true, true]);
});

test("JSON becomes a tree with an end", () => {
  expect(treeOf({ a: [1, "x"] })).toEqual({ key: "", kind: "object", count: 1, children: [{ key: '"a"', kind: "array", count: 2, children: [{ key: "0", text: "1" }, { key: "1", text: '"x"' }] }] });
  expect(treeOf(Array.from({ length: 9_000 }, () => 0)).children?.length).toBeLessThan(3_001);
});

test("nothing in a figure's data ends the script that draws it", () => {
  for (const text of ["</script><script>alert(1)</script>", "<!--<script>", "\u2028", "`${x}`", "\\"]) {
    const page = plotlyPage({ data: [text], layout: { [text]: text } });
    const script = /<script>([\s\S]*?)<\/script>/.exec(page)?.[1] ?? "";
    expect(page).toBe(`<div id="chart"></div><script>${script}</script>`);
    const drawn: unknown[] = [];
    const Plotly = { newPlot: (...given: unknown[]) => (drawn.push(...given.slice(1, 3)), Promise.resolve()) };
    Object.assign(globalThis, { Plotly, document: { getElementById: () => null } });
    for (let time = 1; time <= 2; time += 1) {
      (0, eval)(script); // as a script of a document, whose names stay
      expect(drawn.splice(0)).toEqual([[text], { [text]: text }]);
    }
  }
});
