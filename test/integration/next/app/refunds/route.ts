import { type NextRequest, NextResponse } from 'next/server'
import { receiver } from '../../receiver'

export const runtime = 'nodejs'

export async function POST(request: NextRequest) {
  const order = request.nextUrl.searchParams.get('order') ?? ''
  const details = { order, amount: 120 }
  const { approvalId } = await receiver.submit({ action: 'refund', summary: `Refund order ${order}`, details })
  return NextResponse.json({ approvalId })
}
