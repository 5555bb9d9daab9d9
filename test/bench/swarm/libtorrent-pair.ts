import { execFileSync, spawn } from 'node:child_process'
import { statSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'

/** Debian's, which python3-libtorrent is for. */
const PYTHON = '/usr/bin/python3'
const LIBTORRENT = `
import libtorrent as lt, sys, time, os
mode, target, path, port = sys.argv[1:5]
s = lt.session({'listen_interfaces': '127.0.0.1:%s' % (port if mode == 'seed' else 0), 'enable_dht': False,
  'enable_incoming_utp': False, 'enable_outgoing_utp': False,
  'enable_lsd': False, 'enable_upnp': False, 'enable_natpmp': False, 'allow_multiple_connections_per_ip': True,
  'out_enc_policy': 2, 'in_enc_policy': 2})
if mode == 'seed':
  fs = lt.file_storage(); lt.add_files(fs, path)
  t = lt.create_torrent(fs, 512 * 1024); lt.set_piece_hashes(t, os.path.dirname(path))
  open(target, 'wb').write(lt.bencode(t.generate()))
h = s.add_torrent({'ti': lt.torrent_info(target), 'save_path': os.path.dirname(path)})
if mode == 'seed':
  while not h.status().is_seeding: time.sleep(0.05)
  print('ready', flush=True); sys.stdin.read()
else:
  began = time.time(); h.connect_peer(('127.0.0.1', int(port)))
  while not h.status().is_seeding: time.sleep(0.01)
  print(int((time.time() - began) * 1000), flush=True)
`

/** Milliseconds libtorrent takes for the same file in plain text; undefined where python3-libtorrent is absent. */
export async function libtorrent(path: string, directory: string): Promise<number | undefined> {
  try {
    execFileSync(PYTHON, ['-c', 'import libtorrent'], { stdio: 'ignore' })
  } catch {
    return undefined
  }
  const torrent = join(directory, 'file.torrent')
  const port = String(20_000 + Math.floor(statSync(path).ino % 10_000))
  const seeder = spawn(PYTHON, ['-c', LIBTORRENT, 'seed', torrent, path, port], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  try {
    await new Promise((resolve, reject) => {
      seeder.stdout.once('data', resolve)
      seeder.once('exit', reject)
    })
    const target = join(directory, 'libtorrent', path.slice(path.lastIndexOf('/') + 1))
    await mkdir(join(directory, 'libtorrent'))
    const said = execFileSync(PYTHON, ['-c', LIBTORRENT, 'leech', torrent, target, port])
    return Number(said.toString())
  } finally {
    seeder.stdin.end()
  }
}
