// Holds an AsyncAPI document against the specification, and bodies as they are sent against its schemas.
// Usage: node check.mjs <document.json> <bodies.json>, where the second is a list of { name, body }.

import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";
import Ajv from "ajv";
import addFormats from "ajv-formats";

const [documentFile, bodiesFile] = process.argv.slice(2);
const text = readFileSync(documentFile, "utf8");
const { document, diagnostics } = await new Parser().parse(text);
for (const { severity, path, message } of diagnostics) {
  console.log(`${["error", "warning", "info", "hint"][severity]}: ${path.join(".")}: ${message}`);
}
if (!document || diagnostics.some(({ severity }) => severity === 0)) {
  process.exit(1);
}

const ajv = new Ajv({ strict: false, allErrors: true });
addFormats(ajv);
ajv.addFormat("int32", Number.isInteger);
ajv.addFormat("int64", Number.isInteger);
ajv.addSchema({ $id: "document", ...JSON.parse(text) }, "document");
let checked = 0;
for (const { name, body, valid } of JSON.parse(readFileSync(bodiesFile, "utf8"))) {
  const fits = ajv.validate({ $ref: `document#/components/messages/${name}/payload` }, body);
  if (fits !== valid) {
    console.log(`${name}: ${JSON.stringify(body)} ${fits ? "fits" : ajv.errorsText()}`);
    process.exit(1);
  }
  checked += 1;
}
const operations = document.operations().all().length;
console.log(`${operations} operations, ${checked} bodies checked`);
