/** Maps by the names of fields, which are the user's: a field may be called `constructor`, `toString` or `__proto__`, and
 *  every JavaScript object answers to those. */

/** What a map itself has of that name. */
export function own<T>(map: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(map, name) ? map[name] : undefined;
}

/** The map with one name more, or another value for it. */
export function withOwn<T>(map: Readonly<Record<string, T>>, name: string, value: T): Record<string, T> {
  return { ...map, [name]: value };
}

/** The map without a name. */
export function withoutOwn<T>(map: Readonly<Record<string, T>>, name: string): Record<string, T> {
  return Object.fromEntries(Object.entries(map).filter(([each]) => each !== name));
}
