// The page's worker: checks one history at a time. To end a check, the page ends the worker.
// The build puts npm/steadfast.mjs in front of this text.

let steadfast;

onmessage = async ({ data }) => {
  try {
    if (data.module) {
      steadfast = await loadSteadfast(data.module);
      return;
    }
    postMessage({ stage: "opening the file", done: 0, total: 0 });
    const bytes = new Uint8Array(await data.file.arrayBuffer());
    let told = 0;
    const onProgress = (stage, done, total) => {
      const now = performance.now();
      if (total > 0 && now - told < 100) return;
      told = now;
      postMessage({ stage, done, total });
    };
    const report = await steadfast.check(bytes, { name: data.file.name, options: data.options, onProgress });
    postMessage({ stage: "writing the report", done: 0, total: 0 });
    const json = report.render("json");
    postMessage({ json, html: report.render("html"), memoryBytes: report.memoryBytes });
  } catch (error) {
    postMessage({ kind: error.kind ?? "internal", refused: error.message });
  }
};
