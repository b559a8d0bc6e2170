import { expect, test } from "vitest";
import { formatRoute, parseRoute, type Route } from "./route";

const routes: Route[] = [
  { where: "local", path: "/", version: 0, tab: "" },
  { where: "cluster", path: "/inventory/widget1", version: 0, tab: "methods" },
  { where: "local", path: "/a b/50% #?&/größe", version: 12, tab: "source" },
];

test.each(routes)("what is formatted is parsed again: $path", (route) => {
  expect(parseRoute(formatRoute(route))).toEqual(route);
});

test("the plain form is as people write it", () => {
  expect(formatRoute(routes[1] as Route)).toBe("#/cluster/inventory/widget1?tab=methods");
  expect(parseRoute("#/local/inventory/widget1")).toEqual({
    where: "local",
    path: "/inventory/widget1",
    version: 0,
    tab: "",
  });
});

test("nonsense names nothing", () => {
  for (const hash of ["", "#", "#/elsewhere/x", "#/local/%E0%A4%A", "local/x"]) expect(parseRoute(hash)).toBeNull();
});

test("an odd version falls back", () => {
  expect(parseRoute("#/local/x?version=-2")).toMatchObject({ version: 0 });
});
