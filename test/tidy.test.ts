/**
 * The house rules, as a test. Budgets that a file breaks today are recorded in `ratchet` with the present
 * value: they may only fall.
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const root = path.join(import.meta.dirname, "..");
const it = suite("tidy");

interface Source {
  readonly file: string;
  readonly text: string;
  readonly lines: readonly string[];
  readonly tree: ts.SourceFile;
}

function sources(folder: string): Source[] {
  return readdirSync(path.join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.includes("node_modules"))
    .map((file) => {
      const name = path.join(folder, file);
      const text = readFileSync(path.join(root, name), "utf8");
      const tree = ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true);
      return { file: name, text, lines: text.split("\n"), tree };
    });
}

const product = sources("src");
const tests = sources("test");

/** Lower layers first; a file may import its own layer or one below it. */
const layers: readonly (readonly string[])[] = [
  ["base"],
  ["consensus", "gossip", "storage"],
  ["inventory"],
  ["p2p"],
  ["config-engine", "lifecycle"],
  ["api"],
  ["agent"],
  ["cli"],
];
const folderOf = (file: string): string => file.split("/")[1] ?? "";
const layerOf = (file: string): number =>
  layers.findIndex((layer) => layer.includes(folderOf(file)));

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

function importsOf(source: Source): Import[] {
  const found: Import[] = [];
  source.tree.forEachChild((node) => {
    if (!ts.isImportDeclaration(node) && !ts.isExportDeclaration(node)) return;
    if (node.moduleSpecifier === undefined || !ts.isStringLiteral(node.moduleSpecifier)) return;
    const target = node.moduleSpecifier.text;
    const to = target.startsWith(".")
      ? path.join(path.dirname(source.file), target)
      : `package:${target}`;
    found.push({ from: source.file, to, typeOnly: isTypeOnly(node) });
  });
  return found;
}

function isTypeOnly(node: ts.ImportDeclaration | ts.ExportDeclaration): boolean {
  if (ts.isExportDeclaration(node)) return node.isTypeOnly;
  const clause = node.importClause;
  if (clause === undefined) return false;
  if (clause.isTypeOnly) return true;
  const bindings = clause.namedBindings;
  if (clause.name !== undefined || bindings === undefined || !ts.isNamedImports(bindings)) {
    return false;
  }
  return bindings.elements.every((element) => element.isTypeOnly);
}

const imports = product.flatMap(importsOf);

function none(problems: readonly string[], rule: string): void {
  assert.is(problems.length, 0, `${rule}:\n  ${problems.join("\n  ")}`);
}

it("keeps imports pointing downward", () => {
  const problems = imports
    .filter(({ to }) => to.startsWith("src/"))
    .filter(({ from, to }) => layerOf(to) > layerOf(from))
    .map(({ from, to }) => `${from} imports ${to}`);
  none(problems, "A folder may only import its own layer and those below");
});

it("keeps the protocol cores free of I/O, time, chance and waiting", () => {
  const pure = /^src\/(consensus\/(core|lineage(?!\/ports))|gossip\/core|gossip\/wire)\//;
  const cores = product.filter(({ file }) => pure.test(file));
  const problems = cores.flatMap(({ file, text }) =>
    [/\bawait\b/, /\basync\b/, /from "node:/, /\bPromise\b/]
      .filter((banned) => banned.test(text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "")))
      .map((banned) => `${file}: ${String(banned)}`),
  );
  none(problems, "A core is synchronous and imports no I/O");
});

it("has no import cycles", () => {
  const graph = new Map<string, string[]>();
  for (const { from, to, typeOnly } of imports) {
    if (typeOnly || !to.startsWith("src/")) continue;
    graph.set(from, [...(graph.get(from) ?? []), to]);
  }
  const done = new Set<string>();
  const problems: string[] = [];
  const visit = (file: string, trail: readonly string[]): void => {
    if (trail.includes(file)) {
      problems.push([...trail.slice(trail.indexOf(file)), file].join(" -> "));
      return;
    }
    if (done.has(file)) return;
    for (const next of graph.get(file) ?? []) visit(next, [...trail, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  none(problems, "Value imports form no cycle");
});

it("confines each library to the folder that owns it", () => {
  const owners: readonly (readonly [RegExp, RegExp])[] = [
    [/^package:(libp2p|@libp2p\/|@multiformats\/)/, /^src\/p2p\//],
    [/^package:multicast-dns$/, /^src\/p2p\//],
    [/^package:(level|classic-level)$/, /^src\/(consensus\/storage|storage)\//],
    [/^package:node-pty$/, /^src\/config-engine\//],
    [/^package:(fastify|@fastify\/)/, /^src\/api\//],
    [/^package:(commander|cli-table3|picocolors)$/, /^src\/cli\//],
  ];
  const problems = imports.flatMap(({ from, to }) =>
    owners
      .filter(([library, owner]) => library.test(to) && !owner.test(from))
      .map(() => `${from} imports ${to}`),
  );
  none(problems, "A library is used only where it is wrapped");
});

it("lets the command line see only the API's contract and client, except to start an agent", () => {
  const starters = new Set(["src/cli/commands/agent.ts", "src/cli/commands/bootstrap.ts"]);
  const allowed = /^(src\/cli\/|src\/base\/|src\/api\/(contract\/|client|errors)|package:)/;
  const problems = imports
    .filter(({ from }) => from.startsWith("src/cli/") && !starters.has(from))
    .filter(({ to }) => !allowed.test(to) && !/^src\/agent\/option-table\.ts$/.test(to))
    .map(({ from, to }) => `${from} imports ${to}`);
  none(problems, "src/cli imports");
});

/** Banned everywhere in src but in the files that own them. */
const banned: readonly { readonly pattern: RegExp; readonly why: string; readonly but: RegExp }[] =
  [
    {
      pattern: /\b(Date\.now|new Date\(\)|performance\.now|setTimeout|setInterval)\b/,
      why: "time comes from base/clock.ts",
      but: /^src\/(base\/clock\.ts|config-engine\/shim\/)/,
    },
    {
      pattern: /Math\.random/,
      why: "chance comes from base/random.ts",
      but: /^src\/base\/random\.ts$/,
    },
    {
      pattern: /\bprocess\.(env|argv|exit|on|once)\b/,
      why: "the process belongs to the entry files",
      but: /^src\/(cli\/main\.ts|config-engine\/shim\/main\.ts|agent\/(run|supervisor\/main)\.ts)$/,
    },
    { pattern: /\bas any\b|: any\b|<any>/, why: "no any", but: /^$/ },
    { pattern: /@ts-(ignore|nocheck|expect-error)/, why: "no ts-ignore", but: /^$/ },
    { pattern: /\bthrow new Error\(/, why: "errors have codes", but: /^$/ },
    { pattern: /\b(FIXME|TODO|XXX|HACK)\b/, why: "no notes to self", but: /^$/ },
    { pattern: /console\.(log|error|warn)/, why: "no console", but: /^$/ },
  ];

it("uses no banned words in src", () => {
  const problems: string[] = [];
  for (const { file, lines } of product) {
    lines.forEach((line, index) => {
      if (/^\s*(\*|\/\/|\/\*)/.test(line)) return;
      for (const { pattern, why, but } of banned) {
        if (pattern.test(line) && !but.test(file)) problems.push(`${file}:${index + 1} ${why}`);
      }
    });
  }
  none(problems, "Banned words");
});

it("has no file or folder with a name that says nothing", () => {
  const problems = [...product, ...tests]
    .map(({ file }) => file)
    .filter((file) => /(^|\/)(utils?|helpers?|common|misc|shared|index)(\/|\.ts$)/.test(file));
  none(problems, "Names");
});

it("starts every file of src with what it is for", () => {
  const problems = product
    .filter(({ text }) => {
      const head = text.slice(0, 2500);
      return !/\/\*\*[\s\S]{20,}?\*\//.test(head) && !head.startsWith("//");
    })
    .map(({ file }) => file);
  none(problems, "Header comment missing");
});

it("keeps lines within 120 columns where code is concerned", () => {
  const problems = [...product, ...tests].flatMap(({ file, lines }) =>
    lines
      .map((line, index) => ({ line, index }))
      .filter(({ line }) => line.length > 120 && !/["'`/]/.test(line))
      .map(({ index }) => `${file}:${index + 1}`),
  );
  none(problems, "Long lines");
});

/** Longer than the budget today; a number may only fall, and an entry goes when its file fits. */
const ratchet: Readonly<Record<string, number>> = {};
const fileBudget = 350;
const functionBudget = 70;

it("keeps files within 350 lines", () => {
  const problems = product
    .filter(({ file, lines }) => lines.length - 1 > (ratchet[file] ?? fileBudget))
    .map(({ file, lines }) => `${file}: ${lines.length - 1} lines`);
  none(problems, "Files over budget");
});

it("keeps functions within 70 lines and 4 positional parameters", () => {
  const problems: string[] = [];
  for (const { file, tree } of product) {
    const visit = (node: ts.Node): void => {
      if (ts.isFunctionLike(node) && "body" in node && node.body !== undefined) {
        const start = tree.getLineAndCharacterOfPosition(node.getStart(tree)).line;
        const end = tree.getLineAndCharacterOfPosition(node.getEnd()).line;
        const length = end - start + 1;
        const name = `${file}:${start + 1}`;
        if (length > functionBudget) problems.push(`${name} has ${length} lines`);
        if (node.parameters.length > 4)
          problems.push(`${name} has ${node.parameters.length} parameters`);
      }
      node.forEachChild(visit);
    };
    visit(tree);
  }
  none(problems, "Functions over budget");
});

it("has no module-level mutable state in src", () => {
  const problems: string[] = [];
  for (const { file, tree } of product) {
    for (const statement of tree.statements) {
      if (!ts.isVariableStatement(statement)) continue;
      if ((statement.declarationList.flags & ts.NodeFlags.Const) === 0) problems.push(file);
    }
  }
  none(problems, "Module-level `let` or `var`");
});

it("leaves no test switched to run alone, and runs every suite", () => {
  const problems = tests
    .filter(({ file }) => file.endsWith(".test.ts") && file !== "test/tidy.test.ts")
    .filter(({ text }) => /\.only\(/.test(text) || !/\.run\(\)/.test(text))
    .map(({ file }) => file);
  none(problems, "Suites");
});

it.run();
