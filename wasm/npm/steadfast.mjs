// Checks histories with the WebAssembly module of steadfast. Works in browsers, in workers and in Node.
//
// Every check has an instance of its own, so that a check that ends for want of memory, or by a bug, leaves nothing behind.
// A check occupies its thread until it is done, or until its --timeout: in a browser, call it in a worker. To end a check at any
// other time, end the worker.

/** What `render` calls the forms of a report; the numbers are those of wasm/src/lib.rs. */
const FORMS = { json: 0, html: 1, text: 2, junit: 3, sarif: 4, certificate: 5 };

/** How a call of the module ended; the numbers are those of wasm/src/lib.rs. */
const ANSWERED = 0;
const BAD_INPUT = 1;
const NOT_CONFIRMED = 3;
const OUT_OF_TIME = 4;

/** Why there is no verdict. `kind` is "bad-input", "out-of-memory", "out-of-time" or "internal". */
export class SteadfastError extends Error {
  constructor(kind, message) {
    super(message);
    this.name = "SteadfastError";
    this.kind = kind;
  }
}

/**
 * Loads the module.
 * @param source its bytes or a compiled module; by default the file beside this one.
 */
export async function loadSteadfast(source) {
  if (source instanceof WebAssembly.Module) return new Steadfast(source);
  return new Steadfast(await WebAssembly.compile(source ?? (await readModuleFile())));
}

async function readModuleFile() {
  const url = new URL("steadfast_wasm.wasm", import.meta.url);
  if (url.protocol === "file:") {
    const { readFile } = await import("node:fs/promises");
    return readFile(url);
  }
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`failed to load ${url}: ${answer.status} ${answer.statusText}`);
  return answer.arrayBuffer();
}

/** The loaded module. */
export class Steadfast {
  #module;

  constructor(module) {
    this.#module = module;
  }

  /**
   * Checks a history.
   * @param history its bytes (Uint8Array, ArrayBuffer) or its text.
   * @param name what reports call it; its ending helps to recognise the format.
   * @param options the options of `steadfast check`, such as ["--consistency", "linearizable"].
   * @param onProgress called with the stage, the position and the extent within it (0: unknown).
   * @returns a Report
   * @throws SteadfastError
   */
  async check(history, { name = "history", options = [], onProgress = () => {} } = {}) {
    const instance = await Instance.start(this.#module, onProgress);
    const [, verdict] = instance.call("check", [toBytes(history), toWords(name, options)]);
    return new Report(instance, verdict);
  }

  /**
   * Verifies the claims of a certificate about a history, independently of the search that made them.
   * @returns whether every claim is confirmed, and a line for each.
   * @throws SteadfastError
   */
  async verify(history, certificate, { name = "history", options = [] } = {}) {
    const instance = await Instance.start(this.#module, () => {});
    const words = toWords(name, options);
    const [code, text] = instance.call("verify", [toBytes(history), words, toBytes(certificate)]);
    return { confirmed: code === ANSWERED, text };
  }
}

/** The verdicts on one history. It keeps the history in memory until it is collected. */
export class Report {
  #instance;

  constructor(instance, verdict) {
    this.#instance = instance;
    /** "holds", "violated", "untested" or "unknown"; "missed" if an objective was missed. */
    this.verdict = verdict;
  }

  /** The report in a form: "json", "html", "text", "junit", "sarif" or "certificate". */
  render(form) {
    if (!(form in FORMS)) throw new RangeError(`there is no form ${form}: pass ${Object.keys(FORMS).join(", ")}`);
    return this.#instance.call("render", [], FORMS[form])[1];
  }

  /** The report as an object, as `steadfast check --format json` prints it. */
  toObject() {
    return JSON.parse(this.render("json"));
  }

  /** The bytes of memory that the check has taken. */
  get memoryBytes() {
    return this.#instance.memoryBytes;
  }
}

/** One instance of the module. */
class Instance {
  #exports;

  static async start(module, onProgress) {
    const started = new Instance();
    const steadfast = {
      now_ms: () => performance.now(),
      tell_progress: (stage, length, done, total) => onProgress(started.#text(stage, length), done, total),
    };
    started.#exports = (await WebAssembly.instantiate(module, { steadfast })).exports;
    started.#exports.start();
    return started;
  }

  get memoryBytes() {
    return this.#exports.memory.buffer.byteLength;
  }

  /** Calls a function with arguments in memory, and returns the outcome's number and its text. */
  call(name, texts, ...numbers) {
    let code;
    try {
      code = this.#exports[name](...texts.flatMap((bytes) => this.#give(bytes)), ...numbers);
    } catch (error) {
      throw this.#explainTrap(error);
    }
    const text = this.#result();
    if (code === ANSWERED || code === NOT_CONFIRMED) return [code, text];
    throw new SteadfastError({ [BAD_INPUT]: "bad-input", [OUT_OF_TIME]: "out-of-time" }[code] ?? "internal", text);
  }

  /** Copies bytes into the instance. */
  #give(bytes) {
    // Addresses beyond 2 GiB come as negative numbers.
    const pointer = this.#exports.allocate(bytes.length) >>> 0;
    if (pointer === 0) throw outOfMemory();
    new Uint8Array(this.#exports.memory.buffer, pointer, bytes.length).set(bytes);
    return [pointer, bytes.length];
  }

  #result() {
    return this.#text(this.#exports.result_pointer(), this.#exports.result_length());
  }

  #text(pointer, length) {
    const bytes = new Uint8Array(this.#exports.memory.buffer, pointer >>> 0, length >>> 0);
    return new TextDecoder().decode(bytes);
  }

  /** The error that stands behind the end of an instance. */
  #explainTrap(error) {
    if (error instanceof SteadfastError) return error;
    if (this.#exports.memory_ran_out()) return outOfMemory();
    const told = this.#result();
    const text = told.startsWith("internal error")
      ? told
      : `internal error: ${error.message}. This is a bug of steadfast, not of the store: there is no verdict. Please report it with the history.`;
    return new SteadfastError("internal", text);
  }
}

function outOfMemory() {
  return new SteadfastError(
    "out-of-memory",
    "The check needs more memory than the 4 GiB that WebAssembly has, or than this machine gives. There is no verdict. " +
      "Check the history with the program: steadfast check FILE.",
  );
}

function toBytes(input) {
  if (typeof input === "string") return new TextEncoder().encode(input);
  if (input instanceof Uint8Array) return input;
  if (input instanceof ArrayBuffer) return new Uint8Array(input);
  throw new TypeError("a history is a Uint8Array, an ArrayBuffer or a string");
}

function toWords(name, options) {
  for (const word of [name, ...options])
    if (typeof word !== "string" || word.includes("\0")) throw new TypeError("the name and the options are strings without zero bytes");
  return new TextEncoder().encode([name, ...options].map((word) => `${word}\0`).join(""));
}
