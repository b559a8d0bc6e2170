import { expect, test } from "vitest";
import { findTold, parseTracebacks } from "./traceback";

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

test.each(["no traceback at all", `  + Exception Group ${TEXT.slice(0, 20)}`, `first\n${TEXT}`, ""])("%j is left whole", (text) => {
  expect(parseTracebacks(text)).toEqual([]);
});

/** As Python 3.14 prints them. */
const GROUP = `  + Exception Group Traceback (most recent call last):
  |   File "<cell 7>", line 12, in <module>
  |     asyncio.run(main())
  |     ~~~~~~~~~~~^^^^^^^^
  | ExceptionGroup: many (3 sub-exceptions)
  +-+---------------- 1 ----------------
    | ValueError: 1
    +---------------- 2 ----------------
    | Traceback (most recent call last):
    |   File "<cell 7>", line 2, in f
    |     1/0
    |     ~^~
    | ZeroDivisionError: division by zero
    | 
    | The above exception was the direct cause of the following exception:
    | 
    | Traceback (most recent call last):
    |   File "<cell 7>", line 4, in f
    |     raise TypeError("two\\nlines") from error
    | TypeError: two
    | lines
    +---------------- 3 ----------------
    | Exception Group Traceback (most recent call last):
    |   File "<cell 8>", line 9, in g
    |     raise ExceptionGroup("in", [KeyError("k")])
    | ExceptionGroup: in (1 sub-exception)
    +-+---------------- 1 ----------------
      | KeyError: 'k'
      +------------------------------------
`;

test("a group's own frames, and then those of each exception within it", () => {
  const chained = `Traceback (most recent call last):\n  File "<cell 6>", line 1, in <module>\n    x\nNameError: x\n\nDuring handling of the above exception, another exception occurred:\n\n`;
  const parsed = parseTracebacks(GROUP).map(({ lead, frames, message }) => [lead, frames.map((frame) => `${frame.file} ${frame.line}`).join(), message]);
  const rest = [
    ["Exception 1 in the group", "", "ValueError: 1"],
    ["Exception 2 in the group", "<cell 7> 2", "ZeroDivisionError: division by zero"],
    ["The above exception was the direct cause of the following exception:", "<cell 7> 4", "TypeError: two\nlines"],
    ["Exception 3 in the group", "<cell 8> 9", "ExceptionGroup: in (1 sub-exception)"],
    ["Exception 3.1 in the group", "", "KeyError: 'k'"],
  ];
  expect(parsed).toEqual([["", "<cell 7> 12", "ExceptionGroup: many (3 sub-exceptions)"], ...rest]);
  expect(parseTracebacks(GROUP)[0]?.frames[0]?.text).toBe("asyncio.run(main())\n~~~~~~~~~~~^^^^^^^^");
  expect(parseTracebacks(chained + GROUP).map((each) => each.frames[0]?.file).slice(0, 3)).toEqual(["<cell 6>", "<cell 7>", undefined]);
});

test("what a failure says by itself is told of its traceback once", () => {
  const trace = (message: string): ReturnType<typeof parseTracebacks> => parseTracebacks(TEXT.replace(/ZeroDivisionError: .*/, message));
  for (const [message, said, remedy] of [
    ["ValueError: x", "ValueError: x", null],
    ["emerge_wasm.errors.NotFound: no /a", "no /a", null],
    ["emerge_wasm.errors.NotFound: no /a (list it)", "no /a", "list it"],
    ["ValueError: two\n\nlines ", "ValueError: two\nlines", null],
  ] as const) {
    expect(findTold(trace(message), said, remedy)).toBe(0);
    expect(findTold(trace(`${message} and more`), said, remedy)).toBe(-1);
  }
  expect(findTold(parseTracebacks(GROUP), "ExceptionGroup: many (3 sub-exceptions)", null)).toBe(0);
});
