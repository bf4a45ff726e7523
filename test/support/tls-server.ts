import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

/** Key and certificate, as PEM. */
export interface SelfSigned {
  readonly key: string
  readonly cert: string
}

export interface CertificateTerms {
  /** Default `127.0.0.1`, as an address. */
  readonly dnsName?: string | undefined
  readonly notAfter?: Date | undefined
}

/** Creates a self-signed certificate, so that the repository contains no key. */
export function selfSigned({ dnsName, notAfter = new Date(Date.now() + day) }: CertificateTerms = {}): SelfSigned {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const name = sequence(der(0x31, sequence(oid('550403'), der(0x0c, Buffer.from('test')))))
  const alternative = dnsName === undefined ? der(0x87, Buffer.of(127, 0, 0, 1)) : der(0x82, Buffer.from(dnsName))
  const extensions = sequence(
    sequence(oid('551d13'), der(0x01, Buffer.of(0xff)), der(0x04, sequence(der(0x01, Buffer.of(0xff))))), // a CA
    sequence(oid('551d11'), der(0x04, sequence(alternative))),
  )
  const body = sequence(
    der(0xa0, der(0x02, Buffer.of(2))), // X.509 version 3
    der(0x02, Buffer.concat([Buffer.of(1), randomBytes(8)])),
    ecdsaWithSha256,
    name,
    sequence(time(new Date(notAfter.getTime() - 2 * day)), time(notAfter)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, extensions),
  )
  const signature = der(0x03, Buffer.of(0), sign('sha256', body, privateKey))
  const whole = sequence(body, ecdsaWithSha256, signature).toString('base64')
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${whole.replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`,
  }
}

export interface TlsServer {
  readonly url: string
  /** Headers of each received request, in order. */
  readonly seen: readonly NodeJS.Dict<string | string[]>[]
}

/** A real https server on a free loopback port, closed when the test ends. */
export async function listenTls(credentials: SelfSigned, listener: RequestListener): Promise<TlsServer> {
  const seen: NodeJS.Dict<string | string[]>[] = []
  const server = createServer({ ...credentials }, (request, response) => {
    seen.push(request.headers)
    listener(request, response)
  })
  server.on('tlsClientError', () => {}) // most tests expect the client to hang up
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  // A server that listens on a port has no other kind of address.
  return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}

const day = 86_400_000

function der(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents)
  const { length } = content
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255]
  return Buffer.concat([Buffer.of(tag, ...size), content])
}

function sequence(...contents: readonly Uint8Array[]): Buffer {
  return der(0x30, ...contents)
}

function oid(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, 'hex'))
}

function time(date: Date): Buffer {
  return der(0x17, Buffer.from(`${date.toISOString().slice(2, 19).replace(/\D/g, '')}Z`))
}

const ecdsaWithSha256 = sequence(oid('2a8648ce3d040302'))
