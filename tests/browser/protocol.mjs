/** Prints files like web/protocol.ts as JSON: node protocol.mjs FILE…. Of each its exported types, spelt out to the end:
 *  {"plain"}, {"literal"}, {"union": […]}, {"array"}, {"tuple": […]}, {"record"} or {"fields": {name: {type, optional}}}. */

import ts from "typescript";

const files = process.argv.slice(2);
const libraries = { lib: ["lib.es2023.d.ts", "lib.dom.d.ts"], types: [], skipLibCheck: true };
const program = ts.createProgram(files, { strict: true, noEmit: true, ...libraries });
const checker = program.getTypeChecker();
const sources = files.map((file) => program.getSourceFile(file));
const errors = sources.flatMap((source) => ts.getPreEmitDiagnostics(program, source));
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
  if (type.symbol.declarations.some((each) => !sources.includes(each.getSourceFile()))) return { opaque: checker.typeToString(type) };
  const fields = type.getProperties().map((field) => {
    const optional = Boolean(field.flags & ts.SymbolFlags.Optional);
    return [field.name, { type: spell(checker.getTypeOfSymbol(field)), optional }];
  });
  return { fields: Object.fromEntries(fields) };
}

function exported(source) {
  const symbols = checker.getExportsOfModule(checker.getSymbolAtLocation(source));
  return Object.fromEntries(symbols.map((each) => [each.name, spell(checker.getDeclaredTypeOfSymbol(each))]));
}

console.log(JSON.stringify(sources.map(exported)));
