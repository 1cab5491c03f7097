// How the page is built: one script, one style sheet, one worker, and the licences of
// all that is in them.
import { readFileSync, existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig, type Plugin } from "vite";

/** The folder of the package that a module is from; null for our own modules. */
function packageOf(id: string): string | null {
  const path = id.replace(/^\0+/, "").split("?")[0] ?? "";
  const at = path.lastIndexOf("/node_modules/");
  if (at < 0) return null;
  const rest = path.slice(at + "/node_modules/".length).split("/");
  const name = rest[0]?.startsWith("@") ? `${rest[0]}/${rest[1]}` : (rest[0] ?? "");
  return path.slice(0, at + "/node_modules/".length) + name;
}

function licenceOf(folder: string): string {
  const about = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
  const text = file ? readFileSync(join(folder, file), "utf8").trim() : "";
  return `${about.name} ${about.version} (${about.license})\n\n${text}\n`;
}

const folders = new Set<string>();

/** Write licences.txt: each package of which something is in the built page. */
function licences(): Plugin {
  return {
    name: "licences",
    moduleParsed({ id }) {
      const folder = packageOf(id);
      if (folder && existsSync(join(folder, "package.json"))) folders.add(folder);
    },
    generateBundle() {
      const rule = `\n${"-".repeat(72)}\n\n`;
      const source = [...folders].sort().map(licenceOf).join(rule);
      this.emitFile({ type: "asset", fileName: "licences.txt", source });
    },
  };
}

export default defineConfig({
  base: "./",
  plugins: [svelte(), licences()],
  worker: {
    format: "es",
    plugins: () => [licences()],
    rollupOptions: { output: { entryFileNames: "assets/[name].js" } },
  },
  build: {
    target: "es2022",
    modulePreload: false,
    cssCodeSplit: false,
    // A data: address is none of ours: the content security policy refuses it.
    assetsInlineLimit: 0,
    rollupOptions: {
      output: {
        entryFileNames: "assets/page.js",
        chunkFileNames: "assets/[name].js",
        assetFileNames: "assets/[name][extname]",
      },
    },
  },
  test: { include: ["tests/**/*.test.ts"] },
} as Parameters<typeof defineConfig>[0]);
