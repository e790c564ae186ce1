/** Why there is no verdict. */
export class SteadfastError extends Error {
  readonly kind: "bad-input" | "out-of-memory" | "out-of-time" | "internal";
}

export type Verdict = "holds" | "violated" | "untested" | "unknown" | "missed";
export type Form = "json" | "html" | "text" | "junit" | "sarif" | "certificate";

export interface CheckOptions {
  /** What reports call the history; its ending helps to recognise the format. */
  name?: string;
  /** The options of `steadfast check`. To end a check before its `--timeout`, end the worker. */
  options?: string[];
  /** Called with the stage, the position and the extent within it (0: unknown). */
  onProgress?: (stage: string, done: number, total: number) => void;
}

/** The verdicts on one history. */
export class Report {
  readonly verdict: Verdict;
  /** The bytes of memory that the check has taken. */
  readonly memoryBytes: number;
  render(form: Form): string;
  /** The report as an object, as `steadfast check --format json` prints it. */
  toObject(): Record<string, unknown>;
}

/** The loaded module. */
export class Steadfast {
  check(history: Uint8Array | ArrayBuffer | string, options?: CheckOptions): Promise<Report>;
  /** Verifies the claims of a certificate about a history, independently of the search that made them. */
  verify(
    history: Uint8Array | ArrayBuffer | string,
    certificate: Uint8Array | ArrayBuffer | string,
    options?: Omit<CheckOptions, "onProgress">,
  ): Promise<{ confirmed: boolean; text: string }>;
}

/** Loads the module: by default the file beside this one. */
export function loadSteadfast(source?: WebAssembly.Module | ArrayBuffer | Uint8Array): Promise<Steadfast>;
