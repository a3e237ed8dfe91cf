import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Compile } from "typebox/compile";
import { Type } from "typebox";
import { asApiCode, codes } from "../../../src/api/contract/codes.ts";
import { endpoints } from "../../../src/api/contract/endpoints.ts";
import { routes } from "../../../src/api/contract/routes.ts";
import { everywhere } from "../../../src/api/problems.ts";
import { ApiWorld } from "../../support/api-world.ts";

const it = suite("api description");

interface Operation {
  readonly operationId: string;
  readonly parameters: readonly { readonly name: string; readonly in: string }[];
  readonly responses: Readonly<Record<string, { readonly description: string }>>;
  readonly "x-codes": readonly string[];
}
type Paths = Readonly<Record<string, Readonly<Record<string, Operation>>>>;

async function document(): Promise<Readonly<Record<string, unknown>> & { paths: Paths }> {
  const answer = await new ApiWorld().get("/openapi.json");
  assert.is(answer.status, 200);
  return answer.json as Readonly<Record<string, unknown>> & { paths: Paths };
}

it("has every route, with its parameters and the status of every error", async () => {
  const { paths } = await document();
  const listed = new Set<string>();
  for (const [name, { method, path }] of Object.entries(endpoints)) {
    const operation = paths[path]?.[method.toLowerCase()];
    assert.is(operation?.operationId, name);
    listed.add(`${method} ${path}`);
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, param]) => param);
    const described = operation?.parameters.filter((one) => one.in === "path");
    assert.equal(
      described?.map((one) => one.name),
      inPath,
    );
    const { status, errors } = routes[name as keyof typeof routes];
    assert.ok(operation?.responses[status], `${name} ${status}`);
    for (const code of [...errors, ...everywhere]) {
      assert.match(operation?.responses[codes[code].status]?.description ?? "", new RegExp(code));
    }
  }
  const served = Object.entries(paths).flatMap(([path, item]) =>
    Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
  );
  assert.equal(new Set(served), listed);
});

it("is an OpenAPI 3.1 document whose references resolve", async () => {
  const whole = await document();
  const parameter = Type.Object({
    name: Type.String({ minLength: 1 }),
    in: Type.Enum(["path", "query", "header"]),
    required: Type.Boolean(),
    schema: Type.Object({}),
  });
  const content = Type.Record(
    Type.String({ pattern: "^[a-z]+/[a-z0-9.+-]+$" }),
    Type.Object({ schema: Type.Object({}) }),
  );
  const operation = Type.Object({
    operationId: Type.String({ minLength: 1 }),
    summary: Type.String({ minLength: 1 }),
    tags: Type.Array(Type.String()),
    parameters: Type.Array(parameter),
    requestBody: Type.Optional(Type.Object({ required: Type.Boolean(), content })),
    responses: Type.Record(
      Type.String({ pattern: "^[2-5]\\d\\d$" }),
      Type.Object({ description: Type.String({ minLength: 1 }), content: Type.Optional(content) }),
    ),
    security: Type.Array(Type.Record(Type.String(), Type.Array(Type.String()))),
  });
  const shape = Type.Object({
    openapi: Type.String({ pattern: "^3\\.1\\.\\d$" }),
    info: Type.Object({ title: Type.String(), version: Type.Literal("9.9.9") }),
    paths: Type.Record(
      Type.String({ pattern: "^/" }),
      Type.Record(Type.String({ pattern: "^(get|put|post|patch|delete)$" }), operation, {
        additionalProperties: false,
      }),
    ),
  });
  assert.equal(Compile(shape).Errors(whole), []);
  const references = [...JSON.stringify(whole).matchAll(/"\$ref":"#\/([^"]+)"/g)];
  assert.ok(references.length > 10);
  for (const [, pointer = ""] of references) {
    let part: unknown = whole;
    for (const key of pointer.split("/")) part = (part as Record<string, unknown>)[key];
    assert.ok(part, pointer);
  }
});

it("gives every code an error status and a title of its own", () => {
  const titles = Object.values(codes).map(({ title }) => title);
  assert.is(new Set(titles).size, titles.length);
  for (const { status } of Object.values(codes)) assert.ok(status >= 400 && status < 600);
  assert.is(asApiCode("constructor"), null);
});

it("serves metrics that a linter of Prometheus would take", async () => {
  const world = new ApiWorld();
  world.metrics.gauge({
    name: "muster_raft_term",
    help: "Raft term",
    labels: ["node"],
    read: () => [{ value: 7, labels: { node: "n1" } }],
  });
  world.metrics.counter({ name: "muster_raft_elections_total", help: "Elections", read: () => 3 });
  await world.get("/v1/nodes/n1");
  await world.get("/v1/nodes/n9");
  const first = await world.get("/metrics");
  assert.match(String(first.headers["content-type"]), /^text\/plain; version=0\.0\.4/);
  const { text } = await world.get("/metrics");
  assert.match(text, /^muster_raft_term\{node="n1"\} 7$/m);
  assert.match(text, /^muster_raft_elections_total 3$/m);
  assert.match(text, /duration_seconds_count\{.*route="\/v1\/nodes\/:name".*status="404".*\} 1/);
  for (const [, name = "", kind = ""] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
    assert.match(name, /^muster_[a-z]+(_[a-z]+)+$/);
    assert.is(name.endsWith("_total"), kind === "counter", name);
    assert.match(text, new RegExp(`^# HELP ${name} \\S`, "m"));
  }
});

it.run();
