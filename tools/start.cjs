// Starts the bundled program with what V8 made of it when it was built: of every function that an agent ran by then.
// Node.js' own cache holds only what is compiled while a module loads, and the rest is parsed again at each start.
// Made by another version of V8, of another text, or damaged, it is not used, and all goes on without.
const { readFileSync } = require("node:fs");
const { createRequire } = require("node:module");
const path = require("node:path");
const { Script } = require("node:vm");
const { crc32 } = require("node:zlib");

const filename = path.join(__dirname, "cli/main.cjs");
const text = readFileSync(filename);
const sumsBytes = 8;

/** After the checksums of the text and of itself: V8 asks only how long the text is. */
function compiled() {
  try {
    const kept = readFileSync(path.join(__dirname, "cli/main.compiled"));
    const code = kept.subarray(sumsBytes);
    const fits = kept.readUInt32LE(0) === crc32(text) && kept.readUInt32LE(4) === crc32(code);
    return fits ? code : undefined;
  } catch {
    return undefined; // not there, cut off, or not to be read
  }
}

const script = new Script(text.toString("latin1"), {
  filename,
  cachedData: compiled(),
});
script.runInThisContext()({ exports: {} }, createRequire(filename), filename, path.dirname(filename));
module.exports = script;
