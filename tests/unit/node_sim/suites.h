SUITE_WITH(clocks)
SUITE_WITH(disks)
SUITE_WITH(processes)
SUITE_WITH(links)
