/** One place in the sources, changed. `find` stands there exactly once, or the edit is out of date. */
export interface Edit {
  readonly file: string
  readonly find: string
  readonly replace: string
}

/** A mistake somebody could make, or did elsewhere; the simulation has to notice it. */
export interface PlantedBug {
  readonly name: string
  readonly edits: readonly Edit[]
}

const bug = (name: string, ...edits: [file: string, find: string, replace: string][]): PlantedBug => ({
  name,
  edits: edits.map(([file, find, replace]) => ({ file, find, replace })),
})

const JUDGE = 'cluster/ledger/judge.ts'
const INGEST = 'cluster/ledger/ingest.ts'
const SEQUENCER = 'src/journal/sequencer.ts'
const AUTHORITY = 'src/journal/authority/authority.ts'
const STAGES = 'src/journal/authority/stages.ts'
const CATCH_UP = 'cluster/ledger/catch-up.ts'

/** F1 to F4 are the findings about other designs that this one began with: docs of the reliability research. */
export const PLANTED: readonly PlantedBug[] = [
  bug("F1: history is judged by today's list of members", [
    'cluster/ledger/ingest-view.ts',
    'return isAdmitted(author, this.#tables)',
    "return isAdmitted(author, this.#tables) && this.#tables.get('nodes', author)?.state === 'member'",
  ]),
  bug('F2: what arrives last takes effect', [
    'src/journal/register.ts',
    'return register.filter((one) => !hasSeen(op, one.dot))',
    'return hasSeen(op, op.dot) ? register : []',
  ]),
  bug('F3: any depth is accepted', [
    JUDGE,
    "return entry.depth === depth + 1 ? { is: 'fit' } : refused('DEPTH_INVALID')",
    "return { is: 'fit' }",
  ]),
  bug('F4: the wall clock decides between grant and revocation', [
    'src/journal/authority/folds/members.ts',
    'const unseen = revocations.filter(({ dot }) => !hasSeen(op, dot))',
    'const unseen = revocations.filter(({ time }) => time > op.time)',
  ]),
  bug('a revocation ignores grants it did not know of', [
    'src/journal/authority/folds/members.ts',
    'if (unseen.length === 0) grants = assign(',
    'if (unseen.every((one) => !hasSeen(one, op.dot))) grants = assign(',
  ]),
  bug('answered before it is on disk', [
    SEQUENCER,
    'await write(writes)',
    'void write(writes).catch(() => {})',
  ]),
  bug('a write that fails is taken for done', [
    SEQUENCER,
    'await write(writes)',
    'await write(writes).catch(() => {})',
  ]),
  bug('how far a feed is known is not written', [
    SEQUENCER,
    "writes.push({ type: 'put', key: `feed/${feed}`, value: encode(state) })",
    'void encode(state)',
  ]),
  bug("an entry's rows are written after the entry", [
    SEQUENCER,
    'store.write([...writes, ...rows])',
    'store.write(writes).then(() => this.#parts.store.write(rows))',
  ]),
  bug(
    'effects before causes',
    [
      SEQUENCER,
      'if (entry.seq !== before.seq + 1 || !seenHere) break',
      'if (entry.seq !== before.seq + 1) break',
    ],
    [JUDGE, "} else if (seq > known) return { is: 'early' }", '} else if (seq > known) blind = true'],
  ),
  bug(
    'holes in a feed are accepted',
    [JUDGE, "  if (entry.seq > before.seq + 1) return { is: 'early' }\n", ''],
    [JUDGE, "  if (block.next !== before.hash) return refused('CHAIN_BROKEN')\n", ''],
    [SEQUENCER, 'if (entry.seq !== before.seq + 1 || !seenHere) break', 'if (!seenHere) break'],
  ),
  bug('a block need not follow the one before', [
    JUDGE,
    "  if (block.next !== before.hash) return refused('CHAIN_BROKEN')\n",
    '',
  ]),
  bug('an author may forget what it had seen', [
    JUDGE,
    "    if (seq < (before.seen[other] ?? 0)) return refused('CONTEXT_INVALID')\n",
    '',
  ]),
  bug('nobody looks at signatures', [INGEST, '          await block.verify()\n', '']),
  bug('anybody may write', [
    JUDGE,
    "  if (!view.isAdmitted(entry.author) && !foundsCluster(entry, cluster)) return refused('AUTHOR_UNKNOWN')\n",
    '',
  ]),
  bug('two entries of one number pass for one', [
    JUDGE,
    "return view.isForked(feed) ? refused('FEED_FORKED') : { is: 'fork', held }",
    "return { is: held === '' ? 'early' : 'known' }",
  ]),
  bug('a node writes on in a feed that is forked', [
    'cluster/ledger/read-only.ts',
    'if (forks.hasOf(node))',
    'if (forks.hasOf(node) && node.length === 0)',
  ]),
  bug('what is parked has no bound', [
    'cluster/ledger/parking.ts',
    "    if (this.#blocks.size >= PARKED_BLOCKS_MAX || this.#bytes + block.bytes.length > PARKED_BYTES_MAX)\n      return 'full'\n",
    '',
  ]),
  bug('gossip alone is to bring everything', [
    CATCH_UP,
    '    if (this.#comparing.has(peer) || this.#pulling.has(peer)) return\n',
    '    if (this.#comparing.size >= 0) return\n',
  ]),
  bug('catching up stops one short', [
    'cluster/ledger/position.ts',
    'if (to > have) return [{ feed, from: Math.max(1, have), to }]',
    'if (to > have) return [{ feed, from: Math.max(1, have), to: Math.max(1, to - 1) }]',
  ]),
  bug('who failed once is never asked again', [
    CATCH_UP,
    'untilMs: this.#parts.clock.monotonic() + waitMs })',
    'untilMs: Number.POSITIVE_INFINITY + waitMs })',
  ]),
  bug('a kind from a newer version is dropped', [
    JUDGE,
    "  if (!mayHaveSeen(entry, feed)) return refused('CONTEXT_INVALID')\n",
    "  if (!mayHaveSeen(entry, feed)) return refused('CONTEXT_INVALID')\n  if (entry.ops.some(({ kind }) => kind.startsWith('simulated.'))) return refused('CONTEXT_INVALID')\n",
  ]),
  bug('a row that goes stays in the state hash', [
    'src/journal/table-store.ts',
    'if (family && before !== undefined) add(family, -before)',
    'if (family && before !== undefined && row !== undefined) add(family, -before)',
  ]),
  bug('the tables in memory run ahead of the disk', [
    SEQUENCER,
    'await write(writes)',
    'apply(), await write(writes)',
  ]),
  bug('a delete takes what was pushed meanwhile', [
    'src/journal/content/catalog.ts',
    'puts: erase(row.puts, op)',
    'puts: []',
  ]),
  bug('a tag that is deleted takes later moves with it', [
    'src/journal/content/tags.ts',
    'digest === null ? erase(before, op)',
    'digest === null ? []',
  ]),
  bug('administrator as soon as anybody says so', [
    'src/journal/effective.ts',
    '!row.deleted && allAgree(row.admin)',
    '!row.deleted && row.admin.some((one) => one.value)',
  ]),
  bug('deleted accounts live', [
    'src/journal/authority/folds/users.ts',
    'deleted: deletions.length > 0',
    'deleted: deletions.length > 1',
  ]),
  bug('only who directly rests on a removed right is looked at again', [
    'src/journal/authority/review.ts',
    '    for (const right of new Set(news.flatMap(({ op }) => givenBy(op)))) review(draft, right)\n',
    '    void givenBy\n',
  ]),
  bug(
    'a late revocation reviews nothing',
    [
      AUTHORITY,
      "  if ((cuts || !sawAll) && draft.get('dependents', right)) draft.put('reviews', right, { after: '' })\n",
      '  void cuts, sawAll\n',
    ],
    [AUTHORITY, "  if (draft.get('dependents', right)) draft.put('reviews', right, { after: '' })\n", ''],
  ),
  bug('seniority is ignored', [
    STAGES,
    'return hasSeen(op, other.dot) || (other.rank < op.rank && !hasSeen(other, op.dot))',
    'return hasSeen(op, other.dot)',
  ]),
  bug('the last administrator can be removed', [
    STAGES,
    "return left ? null : { reason: 'last-admin', beatenBy: null }",
    'return null',
  ]),
  bug("an eviction's frontier is ignored", [
    'src/journal/authority/rights.ts',
    'return frontier ? reaches(frontier, dot) : hasSeen(revocation, dot)',
    'return hasSeen(revocation, dot)',
  ]),
  bug('what a compromised node pushed stays', [
    'src/journal/content/membership.ts',
    'if (!evicted?.compromised || !evicted.frontier) return false',
    'if (op !== null) return false',
  ]),
  bug('what is to be decided again is not written down', [
    'src/journal/table-store.ts',
    "writes.push(bytes ? { type: 'put', key: at, value: bytes } : { type: 'del', key: at })",
    "if (table !== 'reviews') writes.push(bytes ? { type: 'put', key: at, value: bytes } : { type: 'del', key: at })",
  ]),
  bug('a restored node goes on as if nothing had been', [
    'cluster/ledger/incarnation.ts',
    'journal.holdWrites(() => (this.#sure ? undefined : this.#ready()))',
    'journal.holdWrites(() => (this.#sure || !this.#sure ? undefined : this.#ready()))',
  ]),
  bug('what lies behind a fork stays', [
    'cluster/ledger/quarantine.ts',
    '    if (astray.length === 0) return\n',
    '    if (astray.length >= 0) return\n',
  ]),
  bug(
    'who lost the proof of a fork is not told again',
    [
      'cluster/ledger/fork-warden.ts',
      'if ((there?.get(feed)?.seq ?? 0) >= seq) this',
      'if ((there?.get(feed)?.seq ?? 0) < 0) this',
    ],
    [
      'cluster/ledger/fork-warden.ts',
      "if (state === 'up') this.#told.delete(peer)",
      "if (state === 'up' && peer === '') this.#told.delete(peer)",
    ],
  ),
  bug('log is let go of that a member still lacks', [
    'cluster/ledger/snapshots/pruner.ts',
    '      if (laggards({ ...snapshot, attestations }, fleet.members, standing).length > 0) continue\n',
    '',
  ]),
  bug(
    'what a snapshot holds is not held against what was signed',
    [
      'cluster/ledger/snapshots/lane-installer.ts',
      'if (sum.hex === header.rowsHash) return',
      'if (sum.hex.length > 0) return',
    ],
    [
      'cluster/ledger/snapshots/snapshot-proof.ts',
      ' && sum.hex === header.rowsHash',
      ' && sum.hex.length > 0',
    ],
  ),
  bug('a snapshot is taken on anybody’s word', [
    'cluster/ledger/snapshots/snapshot-choice.ts',
    'return signers.size >= Math.max(',
    'return signers.size >= 0 * Math.max(',
  ]),
  bug('a snapshot is put in place as if nothing could come between', [
    'cluster/ledger/snapshots/lane-installer.ts',
    '      await this.#store.write([...writes, installing(lane, mark)])\n',
    '      await this.#store.write([installing(lane, mark)])\n      await this.#store.write(writes)\n',
  ]),
  bug('a network key stays in use though nobody had the right to change it', [
    'cluster/membership/key-rotation.ts',
    ': this.#withdraw(key)))',
    ': Promise.resolve()))',
  ]),
  bug('who is left out when the network key changes stays out', [
    'cluster/membership/key-rotation.ts',
    '    if (!isNeeded()) return\n',
    '    if (isNeeded() || !isNeeded()) return\n',
  ]),
  bug('another cluster’s recovery key opens this one', [
    'src/journal/authority/form.ts',
    'return verify(null, recoveryMessage({ cluster: op.cluster, ...body }), key, body.signature)',
    'return verify(null, recoveryMessage({ cluster: op.cluster, ...body }), key, body.signature) || body.signature.length === 64',
  ]),
  bug(
    'the inviter’s own approval counts as the second',
    [
      'cluster/membership/member-acts.ts',
      'if (by.actor === inviter)',
      'if (by.actor === inviter && id === "")',
    ],
    [
      'src/journal/authority/needs.ts',
      'return invite?.approval && invite.actor !== op.actor',
      'return invite?.approval',
    ],
  ),
]
