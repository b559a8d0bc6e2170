import { expect, test } from "vitest";
import { parseTraceback } from "./traceback";

const TEXT = `Traceback (most recent call last):
  File "<cell 3>", line 4, in <module>
    total(items)
    ~~~~~^^^^^^^
  File "/lib/python3.14/statistics.py", line 10, in total
    return sum(x)
ZeroDivisionError: division by zero
`;

test("frames, their lines and the message", () => {
  const parsed = parseTraceback(TEXT);
  expect(parsed?.message).toBe("ZeroDivisionError: division by zero");
  expect(parsed?.frames.map((frame) => [frame.file, frame.line, frame.name, frame.own])).toEqual([
    ["<cell 3>", 4, "<module>", true],
    ["/lib/python3.14/statistics.py", 10, "total", false],
  ]);
  expect(parsed?.frames[0]?.text).toBe("total(items)\n~~~~~^^^^^^^");
});

test("a syntax error has a frame without a function", () => {
  const parsed = parseTraceback(`Traceback (most recent call last):
  File "<cell 1>", line 1
    1 +
       ^
SyntaxError: invalid syntax`);
  expect(parsed?.frames[0]).toMatchObject({ file: "<cell 1>", line: 1, name: "" });
  expect(parsed?.message).toBe("SyntaxError: invalid syntax");
});

test("chained tracebacks and other texts are left whole", () => {
  expect(parseTraceback(TEXT + "\nDuring handling of the above exception…\n\n" + TEXT)).toBeNull();
  expect(parseTraceback("no traceback at all")).toBeNull();
});
