import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { client } from '../support/clients.ts'
import { type Cluster, type NodeProcess, PATIENCE_MS, startCluster } from '../support/cluster.ts'
import { NodeClient } from '../support/node-client.ts'

let cluster: Cluster
beforeAll(async () => {
  cluster = await startCluster(2)
}, 2 * PATIENCE_MS)
afterAll(() => cluster?.stop())

/** Runs the suite of opencontainers/distribution-spec, with tokens and a private project, as a client would. */
async function complaints(
  suite: string,
  node: NodeProcess,
  project: string,
): Promise<{ code: number; failures: string[] }> {
  const admin = new NodeClient(node, cluster.admin)
  const body = { project_name: project, metadata: { public: 'false' } }
  expect((await admin.api('POST', '/projects', body)).status).toBe(201)
  const results = await mkdtemp(join(tmpdir(), 'flotilla-conformance-'))
  try {
    const env = {
      OCI_REGISTRY: node.host,
      OCI_TLS: 'disabled',
      OCI_VERSION: '1.1',
      OCI_REPO1: `${project}/repo1`,
      OCI_REPO2: `${project}/nested/repo2`,
      OCI_USERNAME: cluster.admin.username,
      OCI_PASSWORD: cluster.admin.password,
      OCI_RESULTS_DIR: results,
    }
    const code = await new Promise<number>((resolve) => {
      execFile(suite, { env, maxBuffer: 64 * 1024 * 1024 }, (error) => resolve(error ? 1 : 0))
    })
    const junit = await readFile(join(results, 'junit.xml'), 'utf8')
    expect(junit.match(/<testcase /g)?.length ?? 0).toBeGreaterThan(500)
    const failures = [...junit.matchAll(/<testcase name="([^"]*)"[^>]*>\s*<failure/g)].map(
      ([, name]) => name ?? '',
    )
    return { code, failures }
  } finally {
    await rm(results, { recursive: true, force: true })
  }
}

test('the founding node passes the OCI conformance suite, all categories', async (context) => {
  const suite = client('conformance')
  if (!suite) return context.skip('the suite is missing')
  expect(await complaints(suite, cluster.nodes[0] as NodeProcess, 'founder')).toEqual({
    code: 0,
    failures: [],
  })
}, 120_000)

test('so does a node that joined', async (context) => {
  const suite = client('conformance')
  if (!suite) return context.skip('the suite is missing')
  expect(await complaints(suite, cluster.nodes[1] as NodeProcess, 'joined')).toEqual({
    code: 0,
    failures: [],
  })
}, 120_000)
