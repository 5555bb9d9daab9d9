import { describeBlobStore } from '../../../contract/blob-store.ts'
import { describeUploadStore } from '../../../contract/upload-store.ts'
import { openTemporaryDisk } from '../../../support/disk.ts'

describeUploadStore('the disk store', openTemporaryDisk)
describeBlobStore('the disk store', async () => {
  const disk = await openTemporaryDisk()
  return { ...disk, store: disk.blobs, reopen: async () => (await disk.reopen()).blobs }
})
