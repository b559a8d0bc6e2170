/** Prints web/protocol.ts as JSON: node tests/browser/protocol.mjs FILE. Its exported types, each spelt out to the end:
 *  {"plain"}, {"literal"}, {"union": […]}, {"array"}, {"tuple": […]}, {"record"} or {"fields": {name: {type, optional}}}. */

import ts from "typescript";

const [file] = process.argv.slice(2);
const program = ts.createProgram([file], { strict: true, noEmit: true, lib: ["lib.es2023.d.ts", "lib.dom.d.ts"] });
const checker = program.getTypeChecker();
const source = program.getSourceFile(file);
const errors = ts.getPreEmitDiagnostics(program, source);
if (errors.length > 0) throw new Error(ts.formatDiagnostics(errors, { getCanonicalFileName: (name) => name, getCurrentDirectory: () => "", getNewLine: () => "\n" }));

const PLAIN = [
  [ts.TypeFlags.String, "string"],
  [ts.TypeFlags.Number, "number"],
  [ts.TypeFlags.Boolean, "boolean"],
  [ts.TypeFlags.Null, "null"],
  [ts.TypeFlags.Unknown, "unknown"],
];

function spell(type) {
  const plain = PLAIN.find(([flag]) => type.flags & flag);
  if (plain) return { plain: plain[1] };
  if (type.isStringLiteral()) return { literal: type.value };
  if (type.flags & ts.TypeFlags.BooleanLiteral) return { literal: type.intrinsicName === "true" };
  if (type.isUnion()) return { union: type.types.filter((each) => !(each.flags & ts.TypeFlags.Undefined)).map(spell) };
  if (checker.isTupleType(type)) return { tuple: checker.getTypeArguments(type).map(spell) };
  if (checker.isArrayType(type)) return { array: spell(checker.getTypeArguments(type)[0]) };
  if (!type.isClassOrInterface() && type.symbol?.name !== "__type" && !type.getStringIndexType()) return { opaque: checker.typeToString(type) };
  const record = type.getStringIndexType();
  if (record) return { record: spell(record) };
  if (type.symbol.declarations.some((each) => each.getSourceFile() !== source)) return { opaque: checker.typeToString(type) };
  const fields = type.getProperties().map((field) => {
    const optional = Boolean(field.flags & ts.SymbolFlags.Optional);
    return [field.name, { type: spell(checker.getTypeOfSymbolAtLocation(field, source)), optional }];
  });
  return { fields: Object.fromEntries(fields) };
}

const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(source));
console.log(JSON.stringify(Object.fromEntries(exported.map((each) => [each.name, spell(checker.getDeclaredTypeOfSymbol(each))]))));
