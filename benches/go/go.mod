module benches

go 1.25
