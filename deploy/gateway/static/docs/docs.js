// Draws openapi.json: every operation with its parameters and shapes, and a form that tries it.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// The texts are Markdown of which they use one thing: `code`.
function prose(text) {
  return text.split("`").map((part, index) => (index % 2 ? element("code", {}, part) : part));
}

// The title is made from the handler's name ("Start"); what the handler's text begins with says more.
function headline(operation) {
  const [first] = (operation.description ?? "").split(/[.;\n](?:\s|$)/);
  return first || (operation.summary ?? "");
}

function resolve(schema, api) {
  const name = schema?.$ref?.split("/").pop();
  return name ? { name, ...api.components.schemas[name] } : schema ?? {};
}

// A schema as a short word: "string (uuid)", "array of OrderView", "string or null".
function describe(schema, api) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const variants = schema.anyOf ?? schema.oneOf;
  if (variants) return variants.map((variant) => describe(variant, api)).join(" or ");
  if (schema.type === "array") return `array of ${describe(schema.items, api) || "anything"}`;
  return (schema.type ?? "anything") + (schema.format ? ` (${schema.format})` : "");
}

// An example value of a schema, for the body to start from; the path stops circles.
function example(schema, api, path = []) {
  if (!schema) return null;
  if (schema.$ref) {
    return path.includes(schema.$ref) ? {} : example(resolve(schema, api), api, [...path, schema.$ref]);
  }
  if (schema.default !== undefined) return schema.default;
  if (schema.examples?.length) return schema.examples[0];
  if (schema.enum) return schema.enum[0];
  if (schema.const !== undefined) return schema.const;
  const variant = (schema.anyOf ?? schema.oneOf)?.[0];
  if (variant) return example(variant, api, path);
  if (schema.type === "array") return [example(schema.items, api, path)];
  if (schema.type === "object" || schema.properties) {
    const entries = Object.entries(schema.properties ?? {});
    return Object.fromEntries(entries.map(([name, part]) => [name, example(part, api, path)]));
  }
  return { string: "", integer: 0, number: 0, boolean: false }[schema.type] ?? null;
}

function fieldTable(schema, api) {
  const whole = resolve(schema.type === "array" ? schema.items : schema, api);
  if (!whole.properties) return element("p", {}, element("code", {}, describe(schema, api)));
  const rows = Object.entries(whole.properties).map(([name, part]) =>
    element("tr", {},
      element("td", {}, element("code", {}, name), (whole.required ?? []).includes(name) ? " *" : ""),
      element("td", {}, element("code", {}, describe(part, api))),
      element("td", {}, ...prose(part.description ?? resolve(part, api).description ?? ""))));
  return element("table", {},
    element("caption", { className: "hint" }, whole.name ?? "", " (* required)"),
    element("tbody", {}, ...rows));
}

function jsonSchema(content) {
  return content?.["application/json"]?.schema;
}

function answers(operation, api) {
  return Object.entries(operation.responses ?? {}).flatMap(([status, answer]) => {
    const schema = jsonSchema(answer.content);
    return [element("h4", {}, `${status}: ${answer.description}`), schema ? fieldTable(schema, api) : null];
  });
}

function parameterInput(parameter, api) {
  const about = [parameter.in, describe(parameter.schema, api), parameter.description].filter(Boolean).join(", ");
  const input = element("input", { name: parameter.name, required: Boolean(parameter.required), autocomplete: "off" });
  input.dataset.in = parameter.in;
  return element("label", {}, element("code", {}, parameter.name), parameter.required ? " * " : " ",
    element("span", { className: "hint" }, about), input);
}

function requestOf(form, path, method) {
  const headers = { "Accept": "application/json" };
  const query = new URLSearchParams();
  let url = path;
  for (const input of form.querySelectorAll("input")) {
    if (!input.value) continue;
    if (input.dataset.in === "path") url = url.replace(`{${input.name}}`, encodeURIComponent(input.value));
    if (input.dataset.in === "query") query.append(input.name, input.value);
    if (input.dataset.in === "header") headers[input.name] = input.value;
  }
  const token = document.forms.session.token.value.trim();
  if (token) headers.Authorization = `Bearer ${token}`;
  const body = form.querySelector("textarea")?.value;
  if (body) headers["Content-Type"] = "application/json";
  const options = { method: method.toUpperCase(), headers, body: body || undefined, credentials: "same-origin" };
  return [query.size ? `${url}?${query}` : url, options];
}

async function tryOut(form, path, method, output) {
  output.textContent = "…";
  try {
    const answer = await fetch(...requestOf(form, path, method));
    const text = await answer.text();
    let shown = text;
    try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not JSON: as it came */ }
    const head = `${answer.status} ${answer.statusText}   request ${answer.headers.get("x-request-id") ?? "?"}`;
    output.textContent = `${head}\n\n${shown}`;
  } catch (error) {
    output.textContent = `The gateway did not answer: ${error.message}`;
  }
}

function tryForm(operation, path, method, api) {
  const schema = jsonSchema(operation.requestBody?.content);
  const output = element("pre", { hidden: true });
  const form = element("form", {}, ...(operation.parameters ?? []).map((one) => parameterInput(one, api)),
    schema ? element("label", {}, "Body", element("textarea", {
      value: JSON.stringify(example(schema, api), null, 2), spellcheck: false })) : null,
    element("p", {}, element("button", {}, "Try it")));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    output.hidden = false;
    tryOut(form, path, method, output);
  });
  return [form, output, schema ? element("h4", {}, "Body") : null, schema ? fieldTable(schema, api) : null];
}

function operationEntry(path, method, operation, api) {
  const details = element("details", {},
    element("summary", {}, element("span", { className: `method ${method}` }, method.toUpperCase()),
      element("code", {}, path), element("span", { className: "hint" }, ...prose(headline(operation)))));
  details.id = operation.operationId;
  details.dataset.words = `${method} ${path} ${operation.summary} ${operation.description ?? ""}`.toLowerCase();
  details.addEventListener("toggle", () => {
    if (details.children.length > 1) return; // drawn when first opened: there are many
    details.append(element("div", {}, operation.description ? element("p", {}, ...prose(operation.description)) : null,
      ...tryForm(operation, path, method, api), ...answers(operation, api)));
  });
  return details;
}

function draw(api) {
  document.getElementById("description").replaceChildren(...prose(api.info.description));
  const groups = new Map();
  for (const [path, item] of Object.entries(api.paths)) {
    for (const method of METHODS.filter((name) => item[name])) {
      const tag = item[method].tags?.[0] ?? "other";
      groups.set(tag, [...(groups.get(tag) ?? []), operationEntry(path, method, item[method], api)]);
    }
  }
  const sections = [...groups].map(([tag, entries]) =>
    element("section", {}, element("h2", {}, tag.replaceAll("-", " ")),
      tag === "webhooks" ? element("p", { className: "hint" }, "Called by the providers, each request signed by them.") : null,
      ...entries));
  document.getElementById("operations").replaceChildren(...sections);
}

function filter(words) {
  for (const section of document.querySelectorAll("section")) {
    const entries = [...section.querySelectorAll("details")];
    for (const entry of entries) entry.hidden = !words.every((word) => entry.dataset.words.includes(word));
    section.hidden = entries.every((entry) => entry.hidden);
  }
}

document.forms.session.addEventListener("submit", (event) => event.preventDefault());
document.forms.session.find.addEventListener("input", (event) =>
  filter(event.target.value.toLowerCase().split(/\s+/).filter(Boolean)));
fetch("/openapi.json")
  .then((answer) => answer.json())
  .then(draw)
  .catch((error) => { document.getElementById("description").textContent = `No reference: ${error.message}`; });
