import { expect, test } from "vitest";
import { parseTracebacks } from "./traceback";

const TEXT = `Traceback (most recent call last):
  File "<cell 3>", line 4, in <module>
    total(items)
    ~~~~~^^^^^^^
  File "/lib/python3.14/statistics.py", line 10, in total
    return sum(x)
ZeroDivisionError: division by zero
`;

test("frames, their lines and the message", () => {
  const [parsed] = parseTracebacks(TEXT);
  expect(parsed?.message).toBe("ZeroDivisionError: division by zero");
  expect(parsed?.frames.map((frame) => [frame.file, frame.line, frame.name, frame.own])).toEqual([
    ["<cell 3>", 4, "<module>", true],
    ["/lib/python3.14/statistics.py", 10, "total", false],
  ]);
  expect(parsed?.frames[0]?.text).toBe("total(items)\n~~~~~^^^^^^^");
});

test("a syntax error has a frame without a function", () => {
  const [parsed] = parseTracebacks(`Traceback (most recent call last):
  File "<cell 1>", line 1
    1 +
       ^
SyntaxError: invalid syntax`);
  expect(parsed?.frames[0]).toMatchObject({ file: "<cell 1>", line: 1, name: "" });
  expect(parsed?.message).toBe("SyntaxError: invalid syntax");
});

test("chained tracebacks come one after the other, with how they are chained", () => {
  const chained = parseTracebacks(`${TEXT}\nDuring handling of the above exception, another exception occurred:\n\n${TEXT.replace("ZeroDivisionError", "KeyError")}`);
  expect(chained.map(({ lead, message, frames }) => [lead.slice(0, 6), message.split(":")[0], frames.length])).toEqual([
    ["", "ZeroDivisionError", 2],
    ["During", "KeyError", 2],
  ]);
});

test("a message of several lines stays whole", () => {
  const [parsed] = parseTracebacks(`${TEXT.trim()}\n\nsecond line\n  third`);
  expect(parsed?.message).toBe("ZeroDivisionError: division by zero\n\nsecond line\n  third");
});

test.each(["no traceback at all", `  + Exception Group ${TEXT}`, `first\n${TEXT}`, ""])("%j is left whole", (text) => {
  expect(parseTracebacks(text)).toEqual([]);
});
