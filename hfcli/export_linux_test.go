package hfcli

var (
	OtherUser   = otherUser
	OwnerOf     = ownerOf
	Unsupported = unsupported
)
