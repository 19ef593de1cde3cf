// The processes that the benchmark measures: nginx as the app and as a plain reverse proxy, a sink for uploads, the
// relay, the agent. Each in its own folder, on free ports, ended by id.

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export interface Running {
  name: string
  pid: number
  end(): Promise<void>
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // it listens on a port
  server.close()
  await once(server, 'close')
  return port
}

/** Starts a process and waits for a line that says it is ready. @param outputFile the file for standard output */
export async function start(
  name: string,
  args: readonly string[],
  isReady: (line: string) => boolean,
  env: NodeJS.ProcessEnv = process.env,
  outputFile?: string,
): Promise<Running & { readyLine: string }> {
  const output = outputFile === undefined ? 'pipe' : openSync(outputFile, 'a')
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', output, 'pipe'] })
  if (typeof output === 'number') closeSync(output)
  const recent: string[] = []
  let poll: NodeJS.Timeout | undefined
  const readyLine = await new Promise<string>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      if (!stream) continue
      createInterface({ input: stream }).on('line', (line) => {
        recent.push(line)
        if (recent.length > 20) recent.shift()
        if (isReady(line)) resolve(line)
      })
    }
    if (outputFile !== undefined) {
      poll = setInterval(() => {
        const line = readFileSync(outputFile, 'utf8').split('\n').find(isReady)
        if (line !== undefined) resolve(line)
      }, 20)
    }
    child.once('exit', () => reject(new Error(`${name} ended: ${recent.join('\n')}`)))
  }).finally(() => clearInterval(poll))
  return { name, pid: child.pid ?? 0, readyLine, end: () => endChild(child) }
}

export async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 8000)
  await gone
  clearTimeout(timer)
}

/** One nginx with one worker. `server` is the body of its server block. */
export async function startNginx(
  name: string,
  folder: string,
  port: number,
  blocks: { server: string; http?: string },
): Promise<Running> {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'nginx.conf')
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${folder}/${kind};`,
  )
  writeFileSync(
    file,
    `${process.getuid?.() === 0 ? 'user root; ' : ''}daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log ${folder}/error.log;
events { worker_connections 8192; }
http { access_log off; keepalive_requests 1000000000; client_max_body_size 0; sendfile on; tcp_nopush on; ${temp.join(' ')}
${blocks.http ?? ''}
server { listen 127.0.0.1:${port} backlog=4096; ${blocks.server} } }
`,
  )
  const child = spawn('nginx', ['-c', file, '-p', folder], { stdio: 'ignore' })
  for (let tries = 0; ; tries++) {
    if (child.exitCode !== null) throw new Error(`${name} ended: ${readFileSync(join(folder, 'error.log'), 'utf8')}`)
    const answers = await fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false,
    )
    if (answers) break
    if (tries > 100) throw new Error(`${name} does not answer`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return { name, pid: child.pid ?? 0, end: () => endChild(child) }
}

/** User and system time of a process and its children so far, in microseconds (proc_pid_stat(5)). */
export function cpuMicroseconds(pid: number): number {
  return [pid, ...childrenOf(pid)].reduce((sum, each) => sum + spentBy(each, 'user') + spentBy(each, 'system'), 0)
}

/** The system time of a process alone. */
export function systemMicroseconds(pid: number): number {
  return spentBy(pid, 'system')
}

function spentBy(pid: number, mode: 'user' | 'system'): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return Number(fields[mode === 'user' ? 11 : 12]) * 10_000 // USER_HZ is 100
  } catch {
    return 0 // it has just ended; its times are gone
  }
}

/** Resident memory in bytes. */
export function residentBytes(pid: number): number {
  return statusBytes(pid, 'VmRSS')
}

/** The process's own part of it: without the pages of files that it shares, above all of the Node.js binary. */
export function anonymousBytes(pid: number): number {
  return statusBytes(pid, 'RssAnon')
}

function statusBytes(pid: number, field: string): number {
  const line = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(line?.[1] ?? 0) * 1024
}

/** How many files a process may have open. Node.js raises its own limit to the hard one (`ulimit -Hn`) when it starts. */
export function openFilesMax(): number {
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
  return hard === 'unlimited' ? Infinity : Number(hard)
}

function childrenOf(pid: number): number[] {
  const folder = `/proc/${pid}/task`
  if (!existsSync(folder)) return []
  return readdirSync(folder).flatMap((task) => {
    try {
      return readFileSync(`${folder}/${task}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)
    } catch {
      return [] // the thread has just ended
    }
  })
}
