import { execFileSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join, relative } from 'node:path'
import { quoted } from '../../src/cli/setting-flags.ts'
import { EXAMPLE_TAG, type ExampleImage } from './example-image.ts'

const PROBE_MS_MAX = 5_000

export interface ClientLines {
  readonly client: string
  readonly login: string
  readonly push: string
  readonly pull: string
}

interface Scene {
  /** host:port of the node to push to, and of the one to pull from. */
  readonly near: string
  readonly far: string
  readonly user: string
  /** Null: the client asks for it. */
  readonly password: string | null
  readonly image: ExampleImage
  /** Where a pulled layout goes. */
  readonly pulled: string
}

const REPOSITORY = 'library/hello:1'

/** The three lines in the words of the client this machine has; skopeo's where it has none. */
export function clientLines(scene: Scene): ClientLines {
  const { near, far, image } = scene
  const client = preferredClient()
  const here = (path: string) => quoted(shorter(path))
  switch (client) {
    case 'docker':
      return {
        client,
        login: login(scene, `docker login -u ${scene.user}`),
        push: `docker import ${here(image.layer)} ${near}/${REPOSITORY} && docker push ${near}/${REPOSITORY}`,
        pull: `docker pull ${far}/${REPOSITORY}`,
      }
    case 'podman':
      return {
        client,
        login: login(scene, `podman login --tls-verify=false -u ${scene.user}`),
        push:
          `podman import ${here(image.layer)} ${near}/${REPOSITORY} && ` +
          `podman push --tls-verify=false ${near}/${REPOSITORY}`,
        pull: `podman pull --tls-verify=false ${far}/${REPOSITORY}`,
      }
    case 'crane':
      return {
        client,
        login: login(scene, `crane auth login -u ${scene.user}`),
        push: `crane push ${here(image.directory)} ${near}/${REPOSITORY}`,
        pull: `crane pull --format=oci ${far}/${REPOSITORY} ${here(scene.pulled)}`,
      }
    default:
      return {
        client: 'skopeo',
        login: login(scene, `skopeo login --tls-verify=false -u ${scene.user}`),
        push: `skopeo copy --dest-tls-verify=false oci:${here(image.directory)}:${EXAMPLE_TAG} docker://${near}/${REPOSITORY}`,
        pull: `skopeo copy --src-tls-verify=false docker://${far}/${REPOSITORY} oci:${here(scene.pulled)}:${EXAMPLE_TAG}`,
      }
  }
}

function login({ password, near }: Scene, command: string): string {
  return password === null
    ? `${command} ${near}`
    : `echo ${quoted(password)} | ${command} --password-stdin ${near}`
}

/**
 * A daemon in a virtual machine (macOS) does not find nodes on the host's 127.0.0.1: there the clients
 * without one come first.
 */
/** skopeo before podman: it keeps no layers of its own, so what it pulls at node2 has really travelled. */
function preferredClient(): string | undefined {
  const order =
    process.platform === 'linux'
      ? ['docker', 'skopeo', 'podman', 'crane']
      : ['skopeo', 'crane', 'podman', 'docker']
  return order.find((name) => isInstalled(name) && (name !== 'docker' || answers('docker', ['info'])))
}

function isInstalled(name: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK)
      return folder !== ''
    } catch {
      return false
    }
  })
}

function answers(command: string, words: readonly string[]): boolean {
  try {
    execFileSync(command, words, { stdio: 'ignore', timeout: PROBE_MS_MAX })
    return true
  } catch {
    return false
  }
}

/** As seen from where the script was called, when that is shorter. */
export function shorter(path: string): string {
  const seen = relative(process.cwd(), path)
  return seen.length < path.length && !seen.startsWith('..') ? seen : path
}
