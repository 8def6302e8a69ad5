// Reads a JSON list of HTML texts; writes, by the title of a feature, the mail programs that lack it.
// The argument is the folder of the package `caniemail`.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const { caniemail } = await import(pathToFileURL(`${process.argv[2]}/dist/index.js`));
const clients = ["apple-mail.*", "gmail.*", "outlook.*", "samsung-email.*", "yahoo.*"];
const lacking = {};
for (const html of JSON.parse(readFileSync(0, "utf8"))) {
  for (const [client, issues] of caniemail({ clients, html }).issues.errors) {
    for (const { title } of issues) (lacking[title] ??= new Set()).add(client);
  }
}
console.log(JSON.stringify(Object.fromEntries(Object.entries(lacking).map(([title, by]) => [title, [...by].sort()]))));
