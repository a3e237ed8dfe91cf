/** The OpenAPI 3.1 document, made from the route table: what is served is what is checked. Pure. */
import { type TSchema } from "typebox";
import { type ApiCode, codes } from "./contract/codes.ts";
import { type Endpoint, endpoints, type RouteName } from "./contract/endpoints.ts";
import { problemMediaType, problemSchema } from "./contract/problem.ts";
import { type Route, routes } from "./contract/routes.ts";
import { everywhere } from "./problems.ts";
import { streamMediaTypes } from "./stream-format.ts";

type Json = Record<string, unknown>;

export function openapiDocument(version: string): Json {
  const paths: Record<string, Json> = {};
  for (const name of Object.keys(endpoints) as RouteName[]) {
    const endpoint: Endpoint = endpoints[name];
    const item = (paths[endpoint.path] ??= {});
    item[endpoint.method.toLowerCase()] = operation(name, endpoint, routes[name]);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Muster",
      version,
      description: "Any agent answers for the whole cluster. Errors are RFC 9457 problem details.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    paths,
    components: {
      schemas: { Problem: problemSchema },
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
      headers: standardHeaders,
    },
  };
}

const standardHeaders = {
  "Muster-Index": header("integer", "Raft index this agent had applied"),
  "Muster-Mode": header("string", "normal, survivor or read-only"),
  "Muster-Generation": header(
    "string",
    "depth and id of the history, as 2/1f0c55a1; depth 1 until the voter set was re-formed without a quorum; followed by `; provisional` when it may turn out to be one of several",
  ),
  "Muster-Leader-Contact-Ms": header("integer", "milliseconds since the leader was heard"),
};

function header(type: string, description: string): Json {
  return { description, schema: { type } };
}

function operation(name: RouteName, endpoint: Endpoint, route: Route): Json {
  const errors = [...new Set<ApiCode>([...everywhere, ...route.errors])];
  return {
    operationId: name,
    summary: route.summary,
    tags: [endpoint.path.split("/")[2] ?? "agent"],
    parameters: parameters(endpoint, route),
    ...(route.body === undefined ? {} : { requestBody: requestBody(endpoint, route) }),
    responses: { ...successes(name, endpoint, route), ...failures(errors) },
    security: endpoint.auth === "none" ? [] : [{ token: [] }],
    "x-access": endpoint.auth,
    "x-codes": errors,
  };
}

function parameters(endpoint: Endpoint, route: Route): readonly Json[] {
  const inPath = [...endpoint.path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  const inQuery = Object.entries(route.query?.properties ?? {}).map(([name, schema]) => ({
    name,
    in: "query",
    required: false,
    schema,
  }));
  return [...inPath, ...inQuery, ...headerParameters(endpoint, route)];
}

function headerParameters({ method, stream }: Endpoint, { conditional }: Route): readonly Json[] {
  const text = (name: string, description: string): Json => ({
    name,
    in: "header",
    required: false,
    description,
    schema: { type: "string" },
  });
  const found: Json[] = [];
  if (method === "GET") {
    const schema = { type: "string", enum: ["local", "linearizable"], default: "local" };
    found.push({ name: "consistency", in: "query", required: false, schema });
  } else {
    found.push(text("Idempotency-Key", "makes a repeated write happen once, for 24 hours"));
  }
  if (conditional === true) {
    found.push(
      text(
        "If-Match",
        "ETag the record must have, whole: where generations were forced, it names one",
      ),
    );
    found.push(text("If-None-Match", "* : the record must not exist"));
  }
  if (stream === true) found.push(text("Last-Event-ID", "go on after this line"));
  return found;
}

function requestBody({ method }: Endpoint, { body, bodyOptional }: Route): Json {
  const content: Record<string, Json> = { "application/json": { schema: body } };
  if (method === "PATCH") content["application/merge-patch+json"] = { schema: body };
  return { required: bodyOptional !== true, content };
}

function successes(name: RouteName, { stream }: Endpoint, route: Route): Record<string, Json> {
  const found: Record<string, Json> = {
    [route.status]: {
      description: route.summary,
      headers: headerReferences(),
      ...(route.response === null && name !== "getMetrics"
        ? {}
        : { content: contentOf(route.response, stream === true) }),
    },
  };
  if (route.otherwise !== undefined) {
    const { status, response } = route.otherwise;
    const content = contentOf(response, false);
    found[status] = { description: route.summary, headers: headerReferences(), content };
  }
  return found;
}

function contentOf(schema: TSchema | null, stream: boolean): Json {
  if (schema === null) return { "text/plain": { schema: { type: "string" } } };
  if (!stream) return { "application/json": { schema } };
  return {
    [streamMediaTypes.ndjson]: { schema },
    [streamMediaTypes.sse]: { schema: { type: "string" } },
  };
}

function headerReferences(): Json {
  return Object.fromEntries(
    Object.keys(standardHeaders).map((key) => [key, { $ref: `#/components/headers/${key}` }]),
  );
}

/** One answer per status; its codes are listed. */
function failures(errors: readonly ApiCode[]): Record<string, Json> {
  const byStatus = Map.groupBy(errors, (code) => codes[code].status);
  const content = { [problemMediaType]: { schema: { $ref: "#/components/schemas/Problem" } } };
  return Object.fromEntries(
    [...byStatus].map(([status, group]) => [
      String(status),
      { description: group.map((code) => `${code}: ${codes[code].title}`).join("; "), content },
    ]),
  );
}
