/** How many kernels the page starts: two, or one on a small device, where the second would take too much memory. */

const SMALL = 2; // GiB

/** `wanted` is what the user says (`?kernels=1`), `memory` the device's in GiB where the browser tells it. */
export function wantsTwoKernels(wanted: string | null, memory: number | undefined): boolean {
  if (wanted === "1" || wanted === "2") return wanted === "2";
  return memory === undefined || memory > SMALL;
}
