// Ranges of IP addresses, "10.0.0.0/8", as configuration names them.

import { BlockList, isIP } from "node:net";

/** Whether an address is in a range. A range that is none holds nothing. */
export function isWithin(address: string, range: string): boolean {
  const [base = "", bits = "", ...more] = range.split("/");
  const version = isIP(base);
  const most = version === 6 ? 128 : 32;
  if (version === 0 || more.length > 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > most) return false;
  if (isIP(address) !== version) return false;
  const family = version === 6 ? "ipv6" : "ipv4";
  const list = new BlockList();
  list.addSubnet(base, Number(bits), family);
  return list.check(address, family);
}
