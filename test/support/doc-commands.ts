// The commands of README.md and docs/: each line of the blocks that are marked `sh`, as a person would paste it.

import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../..')

export interface DocCommand {
  /** Without the comment after it; a whole script is one command. */
  text: string
  /** The exports before it in its block. */
  exports: string
  /** Its place, such as `docs/sign-in.md:25`; the first one if several pages have it. */
  place: string
}

/** Every command, once. */
export function docCommands(): DocCommand[] {
  const pages = globSync(['README.md', 'docs/**/*.md'], { cwd: root }).toSorted()
  const found = pages.flatMap(commandsOf)
  return [...new Map(found.toReversed().map((one) => [`${one.exports}\n${one.text}`, one])).values()].toReversed()
}

function commandsOf(page: string): DocCommand[] {
  const markdown = readFileSync(join(root, page), 'utf8')
  return [...markdown.matchAll(/^```sh\n(.*?)^```/gms)].flatMap(({ index, 1: block = '' }) => {
    const place = `${page}:${markdown.slice(0, index).split('\n').length + 1}`
    if (block.startsWith('#!')) return [{ text: block, exports: '', place }]
    let exported = ''
    return logicalLines(block).flatMap((text) => {
      if (/^export \w+=\S*$/.test(text)) {
        exported += `${text}\n`
        return []
      }
      return [{ text, exports: exported, place }]
    })
  })
}

/** Comments are cut off, and continued lines joined. */
function logicalLines(block: string): string[] {
  const lines = block.split('\n').map((line) => line.replace(/(?:^|\s+)#(?!!)\s.*$/, ''))
  return lines
    .join('\n')
    .replaceAll(/\\\n\s*/g, '')
    .replaceAll(/\|\n\s*/g, '| ')
    .split('\n')
    .filter((line) => line.trim() !== '')
}
