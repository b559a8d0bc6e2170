import { describe, expect, test } from "vitest";
import { connectionStatus, kernelStatus, saveStatus, storageStatus } from "./status";
import { makeFailure } from "./failure";

const at = new Date(2026, 0, 1, 9, 5, 7);
const saved = { state: "saved", where: "cluster", path: "/a", version: 4, durability: "full", at } as const;

describe("the save", () => {
  test("says where it went and how firmly", () => {
    expect(saveStatus(saved, 0).text).toBe("Saved on the cluster (full) 09:05:07");
    expect(saveStatus({ ...saved, where: "local", durability: "" }, 0).text).toBe("Saved here 09:05:07");
  });
  test("unsaved edits hide an earlier save", () => {
    expect(saveStatus(saved, 1)).toMatchObject({ state: "unsaved", text: "Not saved: edits in 1 object" });
  });
  test("a failed save is told while its edits are there", () => {
    const failed = { state: "failed", where: "local", path: "/a", failure: makeFailure("LimitExceeded", "disk full") } as const;
    expect(saveStatus(failed, 1)).toMatchObject({ level: "bad", text: "Not saved: disk full" });
    expect(saveStatus(failed, 0).state).toBe("nothing");
  });
});

test("the kernel", () => {
  expect(kernelStatus("loading", "").level).toBe("busy");
  expect(kernelStatus("ready", "").text).toBe("Python ready");
  expect(kernelStatus("idle", "").text).toBe("Python ready");
  expect(kernelStatus("busy", "has not answered").text).toBe("has not answered");
  expect(kernelStatus("dead", "out of memory")).toMatchObject({ level: "bad", title: "out of memory" });
});

test("two kernels: what hinders is told, and what it does not hinder", () => {
  const told = (page: "ready" | "loading" | "dead", cells: "loading" | "busy" | "idle" | "dead", detail = ""): string =>
    kernelStatus(page, "", { state: cells, detail }).text;
  expect(told("loading", "loading")).toBe("Python is starting…");
  expect(told("dead", "idle")).toBe("Python stopped");
  expect(told("ready", "loading")).toContain("Page ready");
  expect(told("ready", "busy")).toBe("A cell is running; the page is free");
  expect(told("ready", "busy", "has not answered")).toBe("has not answered");
  expect(told("ready", "dead")).toContain("the page goes on");
  expect(told("ready", "idle")).toBe("Python ready");
});

test("the connection never claims more than it has", () => {
  const connected = { state: "connected", node: "n1", durability: "full", principal: "ann", cluster: "c" } as const;
  expect(connectionStatus(connected, "ready").text).toBe("Connected to n1");
  expect(connectionStatus(connected, "dead").state).toBe("unknown");
  expect(connectionStatus({ state: "offline", reason: "no relay", refused: false }, "ready").text).toContain("no relay");
  expect(connectionStatus({ state: "offline", reason: "who are you", refused: true }, "ready")).toMatchObject({ text: "Cluster: not signed in", title: "who are you" });
});

test("memory is no storage", () => {
  const features = { event: "features", sync: true, interrupt: true, storage: "indexeddb" } as const;
  const some = { persisted: false, usage: 1000, quota: 10_000 };
  expect(storageStatus(null, "loading", some).state).toBe("unknown");
  expect(storageStatus(features, "ready", some)).toMatchObject({ level: "idle", state: "best-effort", title: expect.stringContaining("1.0 kB of 10 kB") });
  expect(storageStatus(features, "ready", { ...some, persisted: null }).state).toBe("best-effort");
  expect(storageStatus(features, "ready", { ...some, persisted: true }).level).toBe("good");
  expect(storageStatus(features, "ready", { ...some, persisted: true, usage: 9_500 })).toMatchObject({ level: "caution", state: "full" });
  expect(storageStatus({ ...features, storage: "memory" }, "ready", some)).toMatchObject({ level: "bad", state: "memory" });
});
