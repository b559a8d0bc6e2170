/** A view of an object as it was kept by a page of an earlier version of Emerge, with what it lacks. */

import type { Field, ObjectView } from "../../protocol";

type Known<T, Lacked extends keyof T> = Omit<T, Lacked> & Partial<Pick<T, Lacked>>;
type KeptField = Known<Field, "form" | "type" | "size" | "reason" | "spark">;
type KeptView = Known<Omit<ObjectView, "fields">, "forms" | "display" | "lacking"> & { fields: KeptField[] };

export function completeView(view: KeptView): ObjectView {
  const fields = view.fields.map((field) => ({ form: "", type: "", size: field.text.length, reason: "", spark: [], ...field }));
  return { forms: {}, display: "", lacking: "", ...view, fields };
}
