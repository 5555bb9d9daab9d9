"""
A peer of libtorrent as it comes, without what would find peers by itself.

    libtorrent-peer.py ADDRESS PORT DIRECTORY TORRENT [NAME_TO_SEED]

Seeds DIRECTORY/NAME_TO_SEED, for which it writes TORRENT. Says {"ready": true}; then takes lines of JSON:
{"meet": ["address:port", ...]} fetches from these, and answers {"ended": milliseconds of the monotonic clock};
{"count": true} answers {"sent": bytes}. Ends with its input.
"""
import json
import os
import sys
import time

import libtorrent as lt

PIECE_BYTES = 256 * 1024


def session(address, port):
    return lt.session({
        'listen_interfaces': f'{address}:{port}',
        'enable_dht': False,
        'enable_lsd': False,
        'enable_upnp': False,
        'enable_natpmp': False,
        'enable_incoming_utp': False,
        'enable_outgoing_utp': False,
        'unchoke_slots_limit': -1,
        'alert_mask': 0,
    })


def make(directory, name, path):
    storage = lt.file_storage()
    storage.add_file(name, os.path.getsize(os.path.join(directory, name)))
    torrent = lt.create_torrent(storage, PIECE_BYTES, lt.create_torrent.v1_only)
    lt.set_piece_hashes(torrent, directory)
    with open(path, 'wb') as file:
        file.write(lt.bencode(torrent.generate()))


def say(what):
    print(json.dumps(what), flush=True)


def main():
    address, port, directory, path, *names = sys.argv[1:]
    here = session(address, int(port))
    handle = None

    def add(flags=0):
        params = lt.add_torrent_params()
        params.ti = lt.torrent_info(path)
        params.save_path = directory
        params.flags = (params.flags | flags) & ~lt.torrent_flags.auto_managed & ~lt.torrent_flags.paused
        return here.add_torrent(params)

    if names:
        make(directory, names[0], path)
        handle = add(lt.torrent_flags.seed_mode)
    say({'ready': True})
    for line in sys.stdin:
        asked = json.loads(line)
        if 'meet' in asked:
            handle = add()
            for peer in asked['meet']:
                host, peer_port = peer.rsplit(':', 1)
                handle.connect_peer((host, int(peer_port)))
            while not handle.status().is_seeding:
                time.sleep(0.01)
            say({'ended': time.monotonic_ns() / 1e6})
        else:
            say({'sent': handle.status().total_payload_upload})


main()
