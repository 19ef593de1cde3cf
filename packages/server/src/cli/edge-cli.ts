// The commands of `relay edge`.

import type { Command } from 'commander'

import { plainCommand } from './typed-command.ts'

const RELAY = plainCommand('relay')

interface CliParts {
  configOption: readonly [string, string]
  collect: (value: string, before?: string[]) => string[]
  loaded: <A extends unknown[]>(load: () => Promise<(...given: A) => Promise<void>>) => (...given: A) => Promise<void>
}

export function addEdgeCommands(program: Command, { configOption, collect, loaded }: CliParts): void {
  const edge = program
    .command('edge')
    .description('Make and change edges while the relay runs. They are in its store, beside those of relay.yml.')
    .addHelpText(
      'after',
      `
Examples:
  ${RELAY} edge create --description Docs
  ${RELAY} edge set edg_docs --oidc-issuer https://login.example.com --oidc-client-id sallyport
  ${RELAY} edge list
  ${RELAY} edge get edg_docs > docs.yml
  ${RELAY} edge apply -f edges/ --owner git:infra --prune --dry-run

Exit codes: 0 fine, 1 failed at run time, 2 wrong usage or a document with problems, 3 somebody else has
changed the edge meanwhile. Documentation: docs/edges.md of the repository.`,
    )
  const commands = (): Promise<typeof import('./edges/edge-commands.ts')> => import('./edges/edge-commands.ts')
  edge
    .command('list')
    .description('List all edges, of relay.yml and of the store.')
    .option(...configOption)
    .option('--json', 'as JSON')
    .action(loaded(async () => (await commands()).listEdges))
  edge
    .command('get')
    .description('Print the document of an edge, as YAML. Secrets are marks that can be written back.')
    .argument('<id>', 'of an edge of the store')
    .option(...configOption)
    .option('--json', 'as JSON, with its revision')
    .action(loaded(async () => (await commands()).getEdge))
  const describe = (command: Command): Command =>
    command
      .option(...configOption)
      .option('--host <host>', 'where visitors reach it; repeatable', collect)
      .option('--description <text>', 'a description for people')
      .option('--open', 'everyone who knows the address may visit')
      .option('--oidc-issuer <url>', 'visitors sign in at this identity provider')
      .option('--oidc-client-id <id>', 'the client of the relay at the provider')
      .option('--oidc-client-secret <secret>', 'its secret (env: SALLYPORT_OIDC_CLIENT_SECRET)')
      .option('--allow-email <address>', 'who may pass; repeatable', collect)
      .option('--allow-domain <domain>', 'whose addresses may pass; repeatable', collect)
      .option('--allow-group <group>', 'whose members may pass; repeatable', collect)
      .option('--dry-run', 'only show what would change')
      .option('--json', 'print the document as JSON')
  describe(edge.command('create'))
    .description('Make an edge. Nobody may visit it until it has a sign-in or is opened to everyone.')
    .option('--id <id>', 'for example edg_docs (default: one that nobody has)')
    .action(loaded(async () => (await commands()).createEdge))
  describe(edge.command('set'))
    .description('Change hosts, description or access of an edge. For everything else: get, edit, apply.')
    .argument('<id>', 'of an edge of the store')
    .action(loaded(async () => (await commands()).setEdge))
  edge
    .command('apply')
    .description('Make edges as files say. A file has one edge, or a list under edges:, as in relay.yml.')
    .requiredOption('-f, --file <path>', 'a file, or a folder with .yml and .yaml files; repeatable', collect)
    .option(...configOption)
    .option('--owner <name>', 'whose edges these are', 'apply')
    .option('--prune', 'delete edges of this owner that are in none of the files')
    .option('--dry-run', 'only show what would change')
    .option('--json', 'print the changes as JSON')
    .action(loaded(async () => (await commands()).applyEdges))
  edge
    .command('export')
    .description('Print the edges of the store as YAML. Secrets are marks.')
    .option(...configOption)
    .action(loaded(async () => (await commands()).exportEdges))
  for (const [name, description] of [
    ['delete', 'Delete an edge; its versions are kept for restore.'],
    ['disable', 'Close an edge for visitors; its sessions are kept.'],
    ['enable', 'Open a disabled edge again.'],
  ] as const) {
    edge
      .command(name)
      .description(description)
      .argument('<id>', 'of an edge of the store')
      .option(...configOption)
      .option('--dry-run', 'only show what would change')
      .action(loaded(async () => (await commands()).EDGE_SWITCHES[name]))
  }
  edge
    .command('history')
    .description('List the kept versions of an edge, and who made them.')
    .argument('<id>', 'of an edge of the store, also a deleted one')
    .option(...configOption)
    .option('--json', 'as JSON')
    .action(loaded(async () => (await commands()).edgeHistory))
  edge
    .command('restore')
    .description('Bring back a version of an edge, as a new one.')
    .argument('<id>', 'of an edge of the store, also a deleted one')
    .argument('<version>', 'as history shows it')
    .option(...configOption)
    .option('--dry-run', 'only show what would change')
    .action(loaded(async () => (await commands()).restoreEdge))
  program
    .command('audit')
    .description('Who has changed what.')
    .command('list')
    .description('List the latest changes, newest first.')
    .option(...configOption)
    .option('--limit <count>', 'how many', '50')
    .option('--json', 'as JSON')
    .action(loaded(async () => (await commands()).listAudit))
}
