import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Residency } from '../../../../cluster/placement/residency.ts'
import { NODE_ITSELF } from '../../../../src/access/principal.ts'
import { op } from '../../../../src/journal/kinds.ts'
import { AUTHORITY } from '../../../../src/journal/op.ts'
import { founded, type TestNode } from '../../../support/node.ts'
import { HandClock, type Site, Sites } from '../../../support/sites.ts'
import { digest, link, project, putManifest, recordsOf, standAt, unlink } from './shore.ts'

const sites = new Sites(new HandClock())
let node: TestNode
let home: Site
let far: Site
let residency: Residency

beforeEach(async () => {
  node = await founded(sites)
  home = node.site
  far = await sites.admit(home)
  await standAt(home, 'home')
  await standAt(far, 'far')
  await home.learn(far)
  residency = new Residency(recordsOf(home))
  await residency.start()
})
afterEach(async () => {
  await residency.stop()
  await sites.close()
})

const layer = digest('layer')
const who = async (what = layer) => {
  const held = []
  if (await residency.mayHold(home.node, what)) held.push('home')
  if (await residency.mayHold(far.node, what)) held.push('far')
  return held
}

test('while no project restricts anything every member may have everything', async () => {
  expect(await who()).toEqual(['home', 'far'])
})

describe('a blob of a project kept to one site', () => {
  test('may be there and nowhere else, layer and manifest alike', async () => {
    const closed = await project(node, 'closed', { residency: 'home' })
    await link(home, closed, layer)
    await putManifest(home, closed, digest('manifest'))
    expect(await who()).toEqual(['home'])
    expect(await who(digest('manifest'))).toEqual(['home'])
  })

  test('may be elsewhere once another project has it as well, and no more when that lets go of it', async () => {
    const closed = await project(node, 'closed', { residency: 'home' })
    const open = await project(node, 'open', {})
    for (const path of ['one', 'two', 'three']) await link(home, closed, layer, path)
    await link(home, open, layer)
    await putManifest(home, closed, digest('manifest'))
    await putManifest(home, open, digest('manifest'))
    expect(await who()).toEqual(['home', 'far'])
    expect(await who(digest('manifest'))).toEqual(['home', 'far'])
    await unlink(home, open, layer)
    expect(await who()).toEqual(['home'])
  })

  test('is for nobody while no record tells whose it is: an upload, or what was deleted', async () => {
    const closed = await project(node, 'closed', { residency: 'home' })
    expect(await who()).toEqual([])
    await link(home, closed, layer)
    await unlink(home, closed, layer)
    expect(await who()).toEqual([])
  })

  test('stays there when the project is deleted', async () => {
    const closed = await project(node, 'closed', { residency: 'home' })
    await link(home, closed, layer)
    await node.projects.delete(closed, NODE_ITSELF)
    expect(await who()).toEqual(['home'])
  })
})

describe('a list of sites that changes', () => {
  test('counts at once, and tells when some may have less', async () => {
    const changed = await project(node, 'changed', {})
    await link(home, changed, layer)
    await putManifest(home, changed, digest('manifest'))
    let tightened = 0
    residency.onTightened(() => tightened++)
    await node.projects.update(changed, [['residency', 'home,far']], NODE_ITSELF)
    expect(await who()).toEqual(['home', 'far'])
    expect(tightened).toBe(1)
    await node.projects.update(changed, [['residency', 'far']], NODE_ITSELF)
    expect(await who()).toEqual(['far'])
    expect(await who(digest('manifest'))).toEqual(['far'])
    expect(tightened).toBe(2)
    await node.projects.update(changed, [['residency', '']], NODE_ITSELF)
    expect(await who()).toEqual(['home', 'far'])
    expect(tightened).toBe(2)
  })

  test('made at two sites apart leaves those that both name', async () => {
    const disputed = await project(node, 'disputed', {})
    await link(home, disputed, layer)
    await far.learn(home)
    await home.learn(far)
    await node.projects.update(disputed, [['residency', 'home,far']], NODE_ITSELF)
    await apart(far, disputed, 'far')
    await home.learn(far)
    expect(await who()).toEqual(['far'])
  })

  test('is read again at the next start', async () => {
    const closed = await project(node, 'closed', { residency: 'home' })
    await link(home, closed, layer)
    await putManifest(home, closed, digest('manifest'))
    await residency.stop()
    residency = new Residency(recordsOf(home))
    await residency.start()
    expect(await who()).toEqual(['home'])
    expect(await who(digest('manifest'))).toEqual(['home'])
  })
})

/** Another site's node sets the list, unaware of what was set meanwhile. */
async function apart(site: Site, id: string, list: string): Promise<void> {
  await site.commit(AUTHORITY, () => [
    op('project.metadata-set', { project: id, metadata: { residency: list } }, 'node'),
  ])
}
