module kevfs/tests/fake

go 1.24
