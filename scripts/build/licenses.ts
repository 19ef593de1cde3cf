// The licenses of the libraries in a bundle: most of them require that their text accompanies the code.

import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

interface Library {
  name: string
  version: string
  license: string
  text: string | undefined
}

/** Libraries without their own text, each with a library of the same repository and author that has it. */
const SAME_REPOSITORY = new Map([['proxy-agent-negotiate', 'https-proxy-agent']])

/**
 * The text of `THIRD-PARTY-LICENSES.txt`.
 * @param modules the modules of the bundle, by path; ours are left out
 * @throws Error if a library has no text of its license
 */
export function licenseTexts(modules: readonly string[]): string {
  const folders = new Set(modules.flatMap((path) => folderOf(path) ?? []))
  const libraries = [...folders].map(readLibrary).toSorted((a, b) => a.name.localeCompare(b.name))
  const line = '─'.repeat(80)
  return [
    'These libraries are part of the files beside this one. Their versions and licenses:\n',
    ...libraries.map(({ name, version, license }) => `  ${name} ${version} (${license})`),
    ...libraries.map((each) => `\n${line}\n${each.name} ${each.version}\n\n${textOf(each, libraries).trim()}`),
    '',
  ].join('\n')
}

/** The folder of the library that a file belongs to; undefined for a file of ours, or of the bundler. */
function folderOf(path: string): string | undefined {
  const [, folder] = /^\0?(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path) ?? []
  return folder
}

function readLibrary(folder: string): Library {
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<string, string> // npm's format
  const { name = folder, version = '', license = '' } = manifest
  const file = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each))
  return { name, version, license, text: file && readFileSync(join(folder, file), 'utf8') }
}

function textOf({ name, version, text }: Library, libraries: readonly Library[]): string {
  const found = text ?? libraries.find((each) => each.name === SAME_REPOSITORY.get(name))?.text
  if (found === undefined)
    throw new Error(`${name} ${version} has no text of its license; see scripts/build/licenses.ts`)
  return found
}
