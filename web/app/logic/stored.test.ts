import { expect, test } from "vitest";
import { Outputs } from "./outputs";
import { fromStored, toStored } from "./stored";

const failure = { code: "NotFound", message: "nothing at /x", path: "/x", remedy: "look", traceback: "Traceback\n  line" };

test("what a cell shows is kept, and shown again the same", () => {
  const outputs = new Outputs();
  outputs.print("stdout", "a\n");
  outputs.print("stderr", "b");
  outputs.show({ data: { "text/plain": "x", "text/html": "<b>" }, metadata: {} });
  outputs.show({ data: { "text/plain": "1" }, metadata: {} }, "", true);
  const stored = toStored(outputs.list(), failure, 3);
  expect(stored.map(({ output_type }) => output_type)).toEqual(["stream", "stream", "display_data", "execute_result", "error"]);
  const back = fromStored(stored);
  expect(back.outputs.map((each) => each.kind)).toEqual(["stream", "stream", "value", "value"]);
  expect(back.failure).toMatchObject({ code: "NotFound", message: "nothing at /x\nlook", traceback: "Traceback\n  line" });
  expect(toStored(back.outputs, null, 3)).toEqual(stored.slice(0, 4));
});

test("what is too large is left out, and said", () => {
  const outputs = new Outputs();
  outputs.show({ data: { "image/png": "x".repeat(3_000_000) }, metadata: {} });
  outputs.show({ data: { "text/plain": "kept" }, metadata: {} });
  const stored = toStored(outputs.list(), null, 1);
  expect(JSON.stringify(stored).length).toBeLessThan(10_000);
  expect(String(stored.at(-1)?.["text"])).toContain("not kept");
});

test("an error of Jupyter's is one of ours", () => {
  const { failure: shown } = fromStored([{ output_type: "error", ename: "ZeroDivisionError", evalue: "division by zero", traceback: ["\u001b[0;31mTraceback\u001b[0m"] }]);
  expect(shown).toMatchObject({ code: "Error", message: "ZeroDivisionError: division by zero", traceback: "Traceback" });
});
