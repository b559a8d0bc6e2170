/** The peers of Emerge's store and read, for its kernel worker: `records.bytes` and `records.objects` are the rows. */
globalThis.peer = {
  open: new Promise((resolve, reject) => {
    const request = indexedDB.open("bench", 1);
    request.onupgradeneeded = () => {
      for (const what of ["bytes", "objects"]) request.result.createObjectStore(what);
    };
    request.onerror = () => reject(request.error);
    request.onsuccess = () => resolve(request.result);
  }),

  /** Dexie's database, made when it is first used: a table of plain objects, by their keys. */
  get dexie() {
    return (this.library ??= (() => {
      const database = new Dexie("dexie", { chromeTransactionDurability: "strict" });
      database.version(1).stores({ objects: "" });
      return database;
    })());
  },

  keys: (round) => records.objects.map((_, index) => `${round}/reading${String(index).padStart(5, "0")}`),

  /** Milliseconds of one transaction that puts all rows. */
  async store(what, round) {
    if (what === "dexie") {
      const keys = this.keys(round);
      await this.dexie.open();
      const began = performance.now();
      await this.dexie.table("objects").bulkPut(records.objects, keys);
      return performance.now() - began;
    }
    const database = await this.open;
    const began = performance.now();
    const transaction = database.transaction(what, "readwrite", { durability: "strict" });
    const store = transaction.objectStore(what);
    records[what].forEach((row, index) => store.put(row, `${round}/reading${String(index).padStart(5, "0")}`));
    await new Promise((resolve, reject) => {
      transaction.onabort = () => reject(transaction.error);
      transaction.oncomplete = resolve;
    });
    return performance.now() - began;
  },

  /** Milliseconds of getting all rows of a round. */
  async read(what, round) {
    if (what === "dexie") {
      const began = performance.now();
      const rows = await this.dexie.table("objects").where(":id").between(`${round}/`, `${round}/~`).toArray();
      const took = performance.now() - began;
      if (rows.length !== records.objects.length) throw new Error(`${rows.length} rows were read`);
      return took;
    }
    const database = await this.open;
    const began = performance.now();
    const request = database.transaction(what).objectStore(what).getAll(IDBKeyRange.bound(`${round}/`, `${round}/~`));
    await new Promise((resolve, reject) => {
      request.onerror = () => reject(request.error);
      request.onsuccess = resolve;
    });
    const took = performance.now() - began;
    if (request.result.length !== records[what].length) throw new Error(`${request.result.length} rows were read`);
    return took;
  },
};
