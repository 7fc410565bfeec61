package source

import (
	"strings"

	"golang.org/x/sys/unix"
)

// FileSystem is what a walk has to know about a file system.
type FileSystem struct {
	Type string // as in /proc/self/mountinfo ("ext4", "fuse.sshfs"), or a number in hexadecimal

	// Pseudo file systems show the kernel's state, not anybody's files.
	Pseudo bool

	// Foreign: the times come from another machine's clock, or from a program
	// that may do with them as it likes.
	Foreign bool

	// Coarse: times are kept to two seconds.
	Coarse bool
}

// Classify returns what is known about a type of file system.
func Classify(name string) FileSystem {
	base, _, _ := strings.Cut(name, ".")
	return FileSystem{
		Type:    name,
		Pseudo:  pseudo[name],
		Foreign: foreign[base],
		Coarse:  coarse[name],
	}
}

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}

var (
	pseudo = set("proc", "sysfs", "devtmpfs", "devpts", "cgroup", "cgroup2", "cpuset", "debugfs", "tracefs",
		"securityfs", "configfs", "pstore", "efivarfs", "bpf", "selinuxfs", "smackfs", "apparmorfs", "hugetlbfs",
		"mqueue", "binfmt_misc", "autofs", "rpc_pipefs", "nfsd", "nsfs", "pidfs", "fusectl", "sockfs", "pipefs",
		"binder", "resctrl", "xenfs", "usbdevfs", "usbfs", "openpromfs", "functionfs", "dmabuf", "secretmem",
		"fuse.lxcfs", "fuse.gvfsd-fuse", "fuse.portal")

	// Everything under "fuse." too: the kernel stamps nothing there.
	foreign = set("nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "ncpfs", "9p", "afs", "ceph", "coda", "lustre",
		"ocfs2", "gfs", "gfs2", "gpfs", "glusterfs", "beegfs", "orangefs", "pvfs2", "panfs", "vboxsf", "vmhgfs",
		"prl_fs", "virtiofs", "fuse", "fuseblk", "fusefs")

	// Two seconds on FAT, ten milliseconds to two seconds on exFAT, one second
	// on HFS.
	coarse = set("vfat", "msdos", "fat", "exfat", "umsdos", "hfs", "hfsplus")
)

// magics names file systems by statfs(2), for when the table of mounts does
// not tell.
var magics = map[uint32]string{
	unix.PROC_SUPER_MAGIC: "proc", unix.SYSFS_MAGIC: "sysfs", unix.DEVPTS_SUPER_MAGIC: "devpts",
	unix.CGROUP_SUPER_MAGIC: "cgroup", unix.CGROUP2_SUPER_MAGIC: "cgroup2", unix.DEBUGFS_MAGIC: "debugfs",
	unix.TRACEFS_MAGIC: "tracefs", unix.SECURITYFS_MAGIC: "securityfs", 0x62656570: "configfs",
	unix.PSTOREFS_MAGIC: "pstore", unix.EFIVARFS_MAGIC: "efivarfs", unix.BPF_FS_MAGIC: "bpf",
	unix.SELINUX_MAGIC: "selinuxfs", unix.SMACK_MAGIC: "smackfs", unix.AAFS_MAGIC: "apparmorfs",
	unix.HUGETLBFS_MAGIC: "hugetlbfs", 0x19800202: "mqueue", unix.BINFMTFS_MAGIC: "binfmt_misc",
	unix.AUTOFS_SUPER_MAGIC: "autofs", 0x67596969: "rpc_pipefs", 0x6e667364: "nfsd", unix.NSFS_MAGIC: "nsfs",
	unix.PID_FS_MAGIC: "pidfs", 0x65735543: "fusectl", unix.SOCKFS_MAGIC: "sockfs", unix.PIPEFS_MAGIC: "pipefs",
	unix.BINDERFS_SUPER_MAGIC: "binder", unix.RDTGROUP_SUPER_MAGIC: "resctrl", unix.XENFS_SUPER_MAGIC: "xenfs",
	unix.USBDEVICE_SUPER_MAGIC: "usbdevfs", unix.OPENPROM_SUPER_MAGIC: "openpromfs",
	unix.DMA_BUF_MAGIC: "dmabuf", unix.SECRETMEM_MAGIC: "secretmem",

	unix.NFS_SUPER_MAGIC: "nfs", unix.CIFS_SUPER_MAGIC: "cifs", unix.SMB2_SUPER_MAGIC: "smb3",
	unix.SMB_SUPER_MAGIC: "smbfs", unix.NCP_SUPER_MAGIC: "ncpfs", unix.V9FS_MAGIC: "9p",
	unix.AFS_FS_MAGIC: "afs", unix.AFS_SUPER_MAGIC: "afs", unix.CEPH_SUPER_MAGIC: "ceph",
	unix.CODA_SUPER_MAGIC: "coda", 0x0bd00bd0: "lustre", unix.OCFS2_SUPER_MAGIC: "ocfs2", 0x01161970: "gfs2",
	0x47504653: "gpfs", 0x19830326: "beegfs", 0x20030528: "orangefs", 0x786f4256: "vboxsf",
	unix.FUSE_SUPER_MAGIC: "fuse",

	unix.MSDOS_SUPER_MAGIC: "vfat", unix.EXFAT_SUPER_MAGIC: "exfat", 0x4244: "hfs", 0x482b: "hfsplus",

	unix.EXT4_SUPER_MAGIC: "ext4", unix.XFS_SUPER_MAGIC: "xfs", unix.BTRFS_SUPER_MAGIC: "btrfs",
	unix.BCACHEFS_SUPER_MAGIC: "bcachefs", 0x2fc12fc1: "zfs", unix.F2FS_SUPER_MAGIC: "f2fs",
	unix.TMPFS_MAGIC: "tmpfs", unix.RAMFS_MAGIC: "ramfs", unix.OVERLAYFS_SUPER_MAGIC: "overlay",
	unix.ISOFS_SUPER_MAGIC: "iso9660", unix.SQUASHFS_MAGIC: "squashfs", unix.EROFS_SUPER_MAGIC_V1: "erofs",
	unix.UDF_SUPER_MAGIC: "udf", 0x7366746e: "ntfs3", unix.REISERFS_SUPER_MAGIC: "reiserfs",
}
