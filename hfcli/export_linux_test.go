package hfcli

var OwnerOf = ownerOf
