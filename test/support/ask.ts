// One request of a program: exactly the headers that are given, no redirects followed, no cookies kept.

import { request } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: string
}

export interface Question {
  host: string
  path?: string
  method?: string
  headers?: Record<string, string | string[]>
  body?: string
}

export function ask(port: number, { host, path = '/', method = 'GET', headers = {}, body }: Question): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ port, host: '127.0.0.1', path, method, agent: false, headers: { ...headers, host } })
    sent.on('error', reject).on('response', (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => (text += chunk)).on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }))
    })
    sent.end(body)
  })
}
