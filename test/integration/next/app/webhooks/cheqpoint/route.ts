import { after } from 'next/server'
import { receiver } from '../../../receiver'

export const runtime = 'nodejs'

/** `after` keeps the process until a slow handler has ended. */
export const POST = (request: Request) => receiver.fetch(request, { waitUntil: after })
