import { buildSchema, introspectionFromSchema, parse, validate } from "graphql";
import { expect, test } from "vitest";
import { fieldsOf, firstQuery, readSchema, roots } from "./schema";

const OWN = "uuid: ID! name: String! fullPath: String! className: String! version: Int!";
const page = (name: string): string => `type ${name}Page { objects: [${name}!]! count: Int cursor: String }`;

/** A schema of classes with so many fields each, as Emerge makes one. */
function made(classes: Record<string, number>): string {
  const types = Object.entries(classes).map(([name, count]) => {
    const fields = Array.from({ length: count }, (_, at) => `f${at}: ${["Int", "String", "[Float!]", "Float!"][at % 4]}`);
    return `type ${name} implements Object { ${OWN} ${fields.join(" ")} }\n${page(name)}`;
  });
  const lists = Object.keys(classes).map((name) => `all${name}(limit: Int, cursor: String): ${name}Page!\n one${name}(path: String): ${name}`);
  const query = `type Query { object(path: String): Object\n objects(limit: Int): ObjectPage!\n ${lists.join("\n")} }`;
  return [`interface Object { ${OWN} }`, page("Object"), ...types, query, "type Mutation { remove(path: String!): Boolean }"].join("\n");
}

const CLASSES: Record<string, number>[] = [{}, { Widget: 0 }, { Widget: 1 }, { Widget: 3, Other: 12 }, { A: 40, B: 2, C: 0 }];
const SCHEMAS = CLASSES.map(made);

test.each(SCHEMAS)("the first document asks for rows, and is valid in its schema (%#)", (text) => {
  const schema = readSchema(JSON.stringify(introspectionFromSchema(buildSchema(text))));
  const document = firstQuery(schema);
  expect(validate(schema, parse(document))).toEqual([]);
  expect(document).toMatch(/objects \{\s+name/);
});

test("the class with most fields of its own is asked for", () => {
  const document = firstQuery(readSchema(JSON.stringify(introspectionFromSchema(buildSchema(SCHEMAS[3] as string)))));
  expect(document).toContain("allOther(limit: 10)");
  expect(document).toContain("      f1\n");
});

test("each name below the roots is found by its type, as deep as it goes", () => {
  const schema = readSchema(JSON.stringify(introspectionFromSchema(buildSchema(SCHEMAS[3] as string))));
  const [query, mutation] = roots(schema);
  expect([query?.name, mutation?.name]).toEqual(["query", "mutation"]);
  const list = fieldsOf(schema, query?.below ?? "").find(({ name }) => name === "allOther");
  expect(list).toMatchObject({ type: "OtherPage!", below: "OtherPage" });
  expect(list?.args.map(({ name }) => name)).toEqual(["limit", "cursor"]);
  const rows = fieldsOf(schema, "OtherPage").find(({ name }) => name === "objects");
  expect(fieldsOf(schema, rows?.below ?? "").map(({ name }) => name)).toContain("f11");
  expect(fieldsOf(schema, "no such")).toEqual([]);
});
