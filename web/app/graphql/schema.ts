/** What a GraphQL schema offers: a document to begin with, and its fields as a tree. */

import {
  buildClientSchema,
  getNamedType,
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLNamedType,
  type GraphQLSchema,
  type IntrospectionQuery,
  isEnumType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  isInterfaceType,
  isInputObjectType,
} from "graphql";

/** A field of a type, an argument, an input's field or a member of an enumeration. */
export interface Node {
  name: string;
  /** As GraphQL writes it; "": it has none. */
  type: string;
  doc: string;
  args: Node[];
  /** The name of the type whose fields are below it; "": it is a leaf. */
  below: string;
}

type Described = Pick<GraphQLField<unknown, unknown> | GraphQLArgument | GraphQLInputField, "name" | "type" | "description">;

const FIRST = 10; // rows
const SHOWN = 6; // fields
const FREE = new Set(["id", "data"]); // every class has them, and few use them

export function readSchema(text: string): GraphQLSchema {
  return buildClientSchema(JSON.parse(text) as IntrospectionQuery);
}

/** A document that gives rows: of the class that has most fields of its own, else of any. */
export function firstQuery(schema: GraphQLSchema): string {
  const fields = Object.values(schema.getQueryType()?.getFields() ?? {});
  const lists = fields.map((field) => ({ field, own: ownFields(field, schema) })).filter(({ own }) => own !== null);
  const best = lists.reduce<(typeof lists)[number] | null>((one, other) => (one === null || rank(other) > rank(one) ? other : one), null);
  if (best === null) return "{ __schema { queryType { fields { name } } } }";
  const rows = ["name", ...(best.own as string[])];
  return `{\n  ${best.field.name}(limit: ${FIRST}) {\n    count\n    objects {\n${rows.map((name) => `      ${name}\n`).join("")}    }\n  }\n}\n`;
}

function rank({ field, own }: { field: GraphQLField<unknown, unknown>; own: string[] | null }): number {
  const plain = field.name === "objects" || field.name === "emergeFiles"; // what has no class of its own
  return plain ? -1 : (own?.length ?? 0);
}

/** The first leaf fields that a page's objects have beyond those of all objects; null: it is no page of objects. */
function ownFields(field: GraphQLField<unknown, unknown>, schema: GraphQLSchema): string[] | null {
  const page = getNamedType(field.type);
  if (!isObjectType(page) || !field.args.some(({ name }) => name === "limit")) return null;
  const objects = page.getFields()["objects"];
  const row = objects && getNamedType(objects.type);
  if (row === undefined || !(isObjectType(row) || isInterfaceType(row))) return null;
  const common = schema.getType("Object");
  const shared = new Set(isInterfaceType(common) && row !== common ? Object.keys(common.getFields()) : []);
  const leaves = Object.values(row.getFields()).filter(({ name, type, args }) => name !== "name" && args.length === 0 && isLeafType(getNamedType(type)));
  const own = leaves.filter(({ name, type }) => !shared.has(name) && !FREE.has(name) && !isListType(isNonNullType(type) ? type.ofType : type));
  return (row === common ? leaves.filter(({ name }) => name === "className" || name === "fullPath") : own).slice(0, SHOWN).map(({ name }) => name);
}

/** The kinds of operations, as the roots of the tree. */
export function roots(schema: GraphQLSchema): Node[] {
  const kinds = { query: schema.getQueryType(), mutation: schema.getMutationType(), subscription: schema.getSubscriptionType() };
  return Object.entries(kinds).flatMap(([name, type]) => (type ? [{ name, type: "", doc: "", args: [], below: type.name }] : []));
}

/** What is below a type's name. */
export function fieldsOf(schema: GraphQLSchema, name: string): Node[] {
  const type = schema.getType(name);
  if (type === undefined) return [];
  if (isEnumType(type)) return type.getValues().map(({ name, description }) => ({ name, type: "", doc: description ?? "", args: [], below: "" }));
  if (!(isObjectType(type) || isInterfaceType(type) || isInputObjectType(type))) return [];
  if (isInputObjectType(type)) return Object.values(type.getFields()).map((field) => nodeOf(field));
  return Object.values(type.getFields()).map((field) => ({ ...nodeOf(field), args: field.args.map((each) => nodeOf(each)) }));
}

function nodeOf({ name, type, description }: Described): Node {
  return { name, type: String(type), doc: description ?? "", args: [], below: inner(getNamedType(type)) };
}

function inner(type: GraphQLNamedType | undefined): string {
  if (type === undefined) return "";
  return isLeafType(type) && !isEnumType(type) ? "" : type.name;
}
