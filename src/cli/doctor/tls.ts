import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Clock } from '../../runtime/clock.ts'
import type { Check } from '../runtime.ts'

const name = 'certificate'

/** Both files can be read, belong together, and the certificate is good today. */
export async function checkTls(tls: { cert: string; key: string }, clock: Clock): Promise<Check> {
  const cert = await readPem(tls.cert, 'http.tls.cert', (pem) => new X509Certificate(pem))
  if ('status' in cert) return cert
  const key = await readPem(tls.key, 'http.tls.key', (pem) => createPrivateKey(pem))
  if ('status' in key) return key
  if (!cert.checkPrivateKey(key)) {
    return fail(`${tls.key} is not the key of ${tls.cert}`, 'name the key the certificate was made with')
  }
  const until = cert.validToDate
  const detail = `${tls.cert}, good until ${until.toISOString()}`
  if (until.getTime() >= clock.now()) return { name, status: 'ok', detail }
  const advice = 'renew it: clients refuse it'
  return { name, status: 'warn', detail: `${tls.cert} expired at ${until.toISOString()}`, advice }
}

async function readPem<T extends object>(
  path: string,
  setting: string,
  parse: (pem: Buffer) => T,
): Promise<T | Check> {
  let pem: Buffer
  try {
    pem = await readFile(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const reason = code === 'ENOENT' ? 'is not there' : `cannot be read (${code})`
    return fail(`${path} ${reason}`, `name another file with ${setting}, or let this user read it`)
  }
  try {
    return parse(pem)
  } catch {
    const what = setting === 'http.tls.cert' ? 'a certificate' : 'a private key without a passphrase'
    return fail(`${path} does not hold ${what}`, `${setting} is to name a PEM file`)
  }
}

function fail(detail: string, advice: string): Check {
  return { name, status: 'fail', detail, advice }
}
